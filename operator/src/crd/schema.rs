//! The `CustomResourceDefinition`: what the types say, and what types cannot say.
//!
//! Defaults, bounds and rules are written where a user would break them, so that the API server
//! refuses what could never work, in words that say what to do.

mod bounds;
mod foreign;
mod path;
mod rules;
mod tidying;

use kube::CustomResourceExt as _;
use serde_json::Value;

use super::ByzantineService;

/// Where the root schema is in the definition.
const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

/// The definition as it is applied.
pub fn definition() -> Value {
    let derived = ByzantineService::crd();
    let mut definition = serde_json::to_value(derived).expect("a definition is plain data");
    let schema = definition
        .pointer_mut(SCHEMA)
        .expect("every version has a schema");
    tidying::tidy(schema);
    foreign::embed(schema);
    bounds::apply(schema);
    rules::apply(schema);
    definition
}

/// The definition as YAML.
pub fn yaml() -> String {
    serde_yaml::to_string(&definition()).expect("a definition is plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_definition_is_the_generated_one() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../crds/byzantineservices.byzantine.dev.yaml"
        );
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == yaml(),
            "run `cargo run -p byzantine-operator --bin crdgen > {path}`"
        );
    }

    #[test]
    fn every_property_is_described_and_every_rule_has_a_message() {
        fn check(schema: &Value, path: &str) {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                let foreign = foreign::PATHS.iter().any(|foreign| *foreign == &path[1..]);
                let ours = !foreign && !path.contains("conditions[]");
                assert!(!ours || property["description"].is_string(), "{path}");
                if ours {
                    check(property, &path);
                    check(&property["items"], &format!("{path}[]"));
                }
            }
            for rule in schema["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                assert!(
                    rule["message"].as_str().is_some_and(|text| text.len() > 20),
                    "{rule}"
                );
            }
        }
        let schema = definition();
        check(
            &schema.pointer(SCHEMA).unwrap()["properties"]["spec"],
            ".spec",
        );
    }
}
