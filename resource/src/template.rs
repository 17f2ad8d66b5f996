//! What the replicas' pods have besides their containers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `spec.template`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Template {
    /// Labels of the pods.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pods.
    pub annotations: BTreeMap<String, String>,
    /// Their service account.
    pub service_account_name: Option<String>,
    /// Secrets for pulling images, as Kubernetes writes them.
    #[schemars(schema_with = "crate::text::kubernetes_objects")]
    pub image_pull_secrets: Vec<Value>,
    /// Which nodes may run them.
    pub node_selector: BTreeMap<String, String>,
    /// Kubernetes tolerations.
    #[schemars(schema_with = "crate::text::kubernetes_objects")]
    pub tolerations: Vec<Value>,
    /// Kubernetes affinity.
    #[schemars(schema_with = "crate::text::kubernetes_object")]
    pub affinity: BTreeMap<String, Value>,
    /// Kubernetes topology spread constraints.
    #[schemars(schema_with = "crate::text::kubernetes_objects")]
    pub topology_spread_constraints: Vec<Value>,
    /// Their priority class.
    pub priority_class_name: Option<String>,
    /// Their runtime class.
    pub runtime_class_name: Option<String>,
    /// How long a stop may take, in seconds.
    pub termination_grace_period_seconds: u32,
}

impl Default for Template {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            service_account_name: None,
            image_pull_secrets: Vec::new(),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            affinity: BTreeMap::new(),
            topology_spread_constraints: Vec::new(),
            priority_class_name: None,
            runtime_class_name: None,
            termination_grace_period_seconds: 60,
        }
    }
}
