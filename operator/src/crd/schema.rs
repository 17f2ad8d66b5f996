//! The `CustomResourceDefinition`.

use kube::CustomResourceExt as _;

use super::ByzantineService;

/// The definition as YAML.
pub fn yaml() -> String {
    serde_yaml::to_string(&ByzantineService::crd()).expect("a definition is plain data")
}
