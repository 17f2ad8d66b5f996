//! Objects as the operator writes and reads them: a kind, a name, and JSON.

use std::fmt;

use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Map, Value, json};

use crate::digest;

/// The digest of what was last applied, so that fields taken away are noticed.
pub const APPLIED_ANNOTATION: &str = "byzantine.dev/applied";

/// The kinds of objects that belong to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Configuration and public keys.
    ConfigMap,
    /// Templates that replicas were assigned.
    ControllerRevision,
    /// Names and ports.
    Service,
    /// Volumes.
    PersistentVolumeClaim,
    /// Keeps a replica's pod alive.
    StatefulSet,
    /// Limits evictions.
    PodDisruptionBudget,
    /// Who may talk to whom.
    NetworkPolicy,
    /// A replica's processes.
    Pod,
}

impl Kind {
    /// The kinds that the operator applies; pods are made by `StatefulSet`s.
    pub const APPLIED: [Self; 7] = [
        Self::ConfigMap,
        Self::ControllerRevision,
        Self::Service,
        Self::PersistentVolumeClaim,
        Self::StatefulSet,
        Self::PodDisruptionBudget,
        Self::NetworkPolicy,
    ];

    /// Group, version, kind and plural.
    fn coordinates(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::ControllerRevision => ("apps", "v1", "ControllerRevision", "controllerrevisions"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::PersistentVolumeClaim => {
                ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
            }
            Self::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
            Self::PodDisruptionBudget => (
                "policy",
                "v1",
                "PodDisruptionBudget",
                "poddisruptionbudgets",
            ),
            Self::NetworkPolicy => (
                "networking.k8s.io",
                "v1",
                "NetworkPolicy",
                "networkpolicies",
            ),
            Self::Pod => ("", "v1", "Pod", "pods"),
        }
    }

    /// What the API calls it.
    pub fn as_str(self) -> &'static str {
        self.coordinates().2
    }

    /// Where the API serves it.
    pub fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.coordinates();
        let kind = GroupVersionKind::gvk(group, version, kind);
        ApiResource::from_gvk_with_plural(&kind, plural)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An object as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// All of it, as it is sent to the API server.
    pub body: Value,
}

impl Object {
    /// Completes `body` with kind, name and the digest of the whole.
    pub fn new(kind: Kind, name: impl Into<String>, mut body: Value) -> Self {
        let (name, resource) = (name.into(), kind.resource());
        body["apiVersion"] = json!(resource.api_version);
        body["kind"] = json!(resource.kind);
        body["metadata"]["name"] = json!(name);
        let digest = digest::short(&body);
        body["metadata"]["annotations"][APPLIED_ANNOTATION] = json!(digest);
        Self { kind, name, body }
    }

    /// Whether the API server already has exactly this, besides what others added to it.
    pub fn is_in(&self, existing: &Value) -> bool {
        contains(existing, &self.body)
    }
}

/// Maps that mean something else when others add to them.
const WHOLE: [&str; 3] = ["matchLabels", "nodeSelector", "selector"];

/// Whether every value of `part` is in `whole`; lists must have equal lengths.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            let found = |(key, part): (&String, &Value)| match whole.get(key) {
                Some(whole) if WHOLE.contains(&key.as_str()) => whole == part,
                Some(whole) => contains(whole, part),
                None => is_empty(part),
            };
            part.iter().all(found)
        }
        (Value::Array(whole), Value::Array(part)) => {
            let pairs = whole.iter().zip(part);
            whole.len() == part.len()
                && pairs.into_iter().all(|(whole, part)| contains(whole, part))
        }
        (whole, part) => whole == part,
    }
}

/// What the API server leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// An object as the API server has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Existing {
    /// All of it.
    pub body: Value,
}

impl Existing {
    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The UID that tells it from others of its name.
    pub fn uid(&self) -> &str {
        self.metadata("uid")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The version that a write may insist on.
    pub fn resource_version(&self) -> &str {
        let version = self.metadata("resourceVersion");
        version.and_then(Value::as_str).unwrap_or_default()
    }

    /// A label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata("labels")?.get(key)?.as_str()
    }

    /// An annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata("annotations")?.get(key)?.as_str()
    }

    /// The UID of the object that controls it.
    pub fn controller(&self) -> Option<&str> {
        let owners = self.metadata("ownerReferences")?.as_array()?;
        let controls = |owner: &&Value| owner.get("controller") == Some(&Value::Bool(true));
        owners.iter().find(controls)?.get("uid")?.as_str()
    }

    /// Whether it is on its way out.
    pub fn is_going(&self) -> bool {
        self.metadata("deletionTimestamp")
            .is_some_and(|time| !time.is_null())
    }

    /// A value in `data`.
    pub fn data(&self, key: &str) -> Option<&Value> {
        self.body.get("data")?.get(key)
    }

    fn metadata(&self, key: &str) -> Option<&Value> {
        self.body.get("metadata")?.get(key)
    }
}

/// A JSON object without the fields that are null.
pub fn compact(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(key, value)| (key, compact(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(data: &Value) -> Object {
        Object::new(Kind::ConfigMap, "a", json!({"metadata": {}, "data": data}))
    }

    #[test]
    fn what_others_added_is_no_drift_and_what_they_changed_is() {
        let wanted = object(&json!({"a": {"b": [1, {"c": 2}]}}));
        let mut existing = wanted.body.clone();
        existing["status"] = json!({"x": 1});
        existing["data"]["a"]["b"][1]["d"] = json!(3);
        assert!(wanted.is_in(&existing));
        existing["data"]["a"]["b"][1]["c"] = json!(4);
        assert!(!wanted.is_in(&existing));
    }

    #[test]
    fn fields_that_are_no_longer_wanted_are_drift() {
        let existing = object(&json!({"a": 1, "b": 2})).body;
        assert!(!object(&json!({"a": 1})).is_in(&existing));
    }

    #[test]
    fn a_selector_that_others_narrowed_is_drift() {
        let wanted = json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}});
        assert!(contains(&wanted, &wanted));
        let narrowed = json!({"spec": {"selector": {"matchLabels": {"a": "b", "c": "d"}}}});
        assert!(!contains(&narrowed, &wanted));
    }

    #[test]
    fn empty_fields_may_be_absent_and_lists_have_no_extra_items() {
        let wanted = json!({"a": {}, "b": [], "c": [1]});
        assert!(contains(&json!({"c": [1]}), &wanted));
        assert!(!contains(&json!({"c": [1, 2]}), &wanted));
    }
}
