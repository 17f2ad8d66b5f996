//! The resource itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::Application;
use crate::problem::Problem;
use crate::spec::Spec;
use crate::validation;

/// The only API version.
pub const API_VERSION: &str = "byzantine.dev/v1alpha1";

/// The kind.
pub const KIND: &str = "ByzantineService";

/// Names the command with which `byz run` starts the app without a container.
pub const LOCAL_COMMAND_ANNOTATION: &str = "byzantine.dev/local-command";

/// Ports of the sidecar itself: gateway, peers, administration.
pub const OWN_PORTS: [u32; 3] = [15080, 15081, 15082];

/// A service whose answers a quorum of its replicas certifies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ByzantineService {
    /// [`API_VERSION`].
    pub api_version: String,
    /// [`KIND`].
    pub kind: String,
    /// Name, namespace, labels and annotations.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
    /// What is, as the operator reports it; ignored in a manifest.
    #[serde(default, skip_serializing)]
    pub status: Option<Value>,
}

impl ByzantineService {
    /// A service of that name with every default.
    pub fn new(name: impl Into<String>, app: Application) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            metadata: Metadata {
                name: name.into(),
                ..Metadata::default()
            },
            spec: Spec::new(app),
            status: None,
        }
    }

    /// Every rule that the resource breaks, in the order of its fields.
    pub fn problems(&self) -> Vec<Problem> {
        validation::problems(self)
    }

    /// The namespace; absent means `default`.
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or("default")
    }

    /// The command that `byz run` starts, not yet split into words.
    pub fn local_command(&self) -> Option<&str> {
        self.metadata
            .annotations
            .get(LOCAL_COMMAND_ANNOTATION)
            .map(String::as_str)
    }
}

/// `metadata`; what the API server fills in is taken and ignored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name, unique in its namespace.
    pub name: String,
    /// The namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing)]
    uid: Option<Value>,
    #[serde(default, skip_serializing)]
    resource_version: Option<Value>,
    #[serde(default, skip_serializing)]
    generation: Option<Value>,
    #[serde(default, skip_serializing)]
    creation_timestamp: Option<Value>,
    #[serde(default, skip_serializing)]
    deletion_timestamp: Option<Value>,
    #[serde(default, skip_serializing)]
    managed_fields: Option<Value>,
    #[serde(default, skip_serializing)]
    owner_references: Option<Value>,
    #[serde(default, skip_serializing)]
    finalizers: Option<Value>,
    #[serde(default, skip_serializing)]
    self_link: Option<Value>,
}
