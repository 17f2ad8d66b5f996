//! The sidecar's container.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// `spec.sidecar`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Sidecar {
    /// Its image; absent means the one that the operator was released with.
    pub image: Option<String>,
    /// How it writes its log.
    pub log_format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// Kubernetes resource requests and limits.
    #[schemars(schema_with = "crate::text::kubernetes_object")]
    pub resources: BTreeMap<String, Value>,
}

impl Default for Sidecar {
    fn default() -> Self {
        let requests = json!({"cpu": "50m", "memory": "64Mi"});
        Self {
            image: None,
            log_format: LogFormat::default(),
            log_level: "info".to_owned(),
            resources: BTreeMap::from([("requests".to_owned(), requests)]),
        }
    }
}

/// How a log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}
