//! How clients reach the gateways in Kubernetes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `spec.service`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Exposure {
    /// The Kubernetes Service's type.
    #[serde(rename = "type")]
    pub kind: ExposureType,
    /// Its port.
    pub port: u32,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Default for Exposure {
    fn default() -> Self {
        Self {
            kind: ExposureType::default(),
            port: 80,
            annotations: BTreeMap::new(),
        }
    }
}

/// The type of a Kubernetes Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExposureType {
    /// Inside the cluster.
    #[default]
    ClusterIP,
    /// On a port of every node.
    NodePort,
    /// Behind the cloud's load balancer.
    LoadBalancer,
}

/// `spec.networkPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NetworkPolicy {
    /// Whether one is made.
    pub enabled: bool,
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self { enabled: true }
    }
}
