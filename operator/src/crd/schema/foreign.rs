//! The parts that Kubernetes defines: its own schemas, so that they are checked as in a pod.

use k8s_openapi::api::core::v1::{
    Affinity, EnvVarSource, LocalObjectReference, ResourceRequirements, SecurityContext,
    Toleration, TopologySpreadConstraint,
};
use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::path::at;

/// Where they are.
#[cfg(test)]
pub(super) const PATHS: [&str; 10] = [
    "spec.app.env[].valueFrom",
    "spec.app.resources",
    "spec.app.securityContext",
    "spec.overrides[].env[].valueFrom",
    "spec.sidecar.resources",
    "spec.template.affinity",
    "spec.template.imagePullSecrets",
    "spec.template.tolerations",
    "spec.template.topologySpreadConstraints",
    "status.conditions",
];

/// Puts them in place.
pub(super) fn embed(root: &mut Value) {
    let (resources, variable) = (of::<ResourceRequirements>(), of::<EnvVarSource>());
    for (path, schema) in [
        ("spec.app.env[].valueFrom", variable.clone()),
        ("spec.overrides[].env[].valueFrom", variable),
        ("spec.app.resources", resources.clone()),
        ("spec.sidecar.resources", resources),
        ("spec.app.securityContext", of::<SecurityContext>()),
        ("spec.template.affinity", of::<Affinity>()),
        (
            "spec.template.imagePullSecrets[]",
            of::<LocalObjectReference>(),
        ),
        ("spec.template.tolerations[]", of::<Toleration>()),
        (
            "spec.template.topologySpreadConstraints[]",
            of::<TopologySpreadConstraint>(),
        ),
    ] {
        replace(at(root, path), schema);
    }
}

/// The description and the default stay: they are about this place.
fn replace(place: &mut Value, mut schema: Value) {
    for key in ["description", "default"] {
        match place.get(key) {
            Some(own) => schema[key] = own.clone(),
            None => drop(schema.as_object_mut().and_then(|map| map.remove(key))),
        }
    }
    *place = schema;
}

/// A type's schema in the form that Kubernetes wants. Its words are in Kubernetes' own reference.
fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let settings = settings
        .with_transform(schemars::transform::AddNullable::default())
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    silence(&mut schema);
    super::tidying::tidy(&mut schema);
    schema
}

fn silence(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("description").is_some_and(Value::is_string) {
                map.remove("description");
            }
            map.remove("title");
            map.values_mut().for_each(silence);
        }
        Value::Array(items) => items.iter_mut().for_each(silence),
        _ => {}
    }
}
