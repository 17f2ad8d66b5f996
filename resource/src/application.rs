//! The app behind the sidecars.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::DurationText;

/// `spec.app`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Application {
    /// The container image.
    pub image: String,
    /// The container's entry point instead of the image's.
    #[serde(default)]
    pub command: Vec<String>,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment, at most 64 variables.
    #[serde(default)]
    pub env: Vec<EnvironmentVariable>,
    /// Configuration mounted as files.
    #[serde(default)]
    pub files: Vec<FileMount>,
    /// The port that it listens on.
    #[serde(default = "default_port")]
    pub port: u32,
    /// A path that answers 200 while the app is well; asked often and outside the order.
    #[serde(default = "default_health_path")]
    pub health_path: String,
    /// Kubernetes resource requests and limits.
    #[serde(default)]
    #[schemars(schema_with = "crate::text::kubernetes_object")]
    pub resources: BTreeMap<String, Value>,
    /// The container's Kubernetes security context.
    #[serde(default)]
    #[schemars(schema_with = "crate::text::kubernetes_object")]
    pub security_context: BTreeMap<String, Value>,
    /// How long one request may take before its result counts as lost here.
    #[serde(default = "default_timeout")]
    pub timeout: DurationText,
    /// What the app remembers between requests.
    #[serde(default)]
    pub state: State,
}

impl Application {
    /// An app of that image with every default.
    pub fn new(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            files: Vec::new(),
            port: default_port(),
            health_path: default_health_path(),
            resources: BTreeMap::new(),
            security_context: BTreeMap::new(),
            timeout: default_timeout(),
            state: State::default(),
        }
    }
}

fn default_port() -> u32 {
    8080
}

fn default_health_path() -> String {
    "/healthz".to_owned()
}

fn default_timeout() -> DurationText {
    DurationText::new("30s")
}

/// A variable of the app's environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: Option<String>,
    /// Where Kubernetes takes the value from instead.
    #[serde(default)]
    #[schemars(schema_with = "crate::text::kubernetes_object")]
    pub value_from: Option<Value>,
}

/// Files that Kubernetes mounts from a `ConfigMap` or a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileMount {
    /// The `ConfigMap`'s name.
    #[serde(default)]
    pub config_map: Option<String>,
    /// The Secret's name.
    #[serde(default)]
    pub secret: Option<String>,
    /// Where the files appear.
    pub mount_path: String,
}

/// `spec.app.state`: what the app remembers, and how it is brought back after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct State {
    /// Where the state lives.
    #[serde(rename = "type")]
    pub kind: StateType,
    /// Serves `{"ordinal": N}`: the last request whose effect is stored.
    pub applied_path: Option<String>,
    /// `GET` takes a snapshot, `PUT` restores one.
    pub snapshot_path: Option<String>,
    /// Where the app's volume is mounted.
    pub mount_path: Option<String>,
}

/// Where an app's state lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StateType {
    /// The app is stateless.
    None,
    /// In its memory: a restarted app is rebuilt by replay.
    #[default]
    Memory,
    /// On its disk, stored together with the request's ordinal.
    Durable,
}

impl StateType {
    /// The word in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Memory => "Memory",
            Self::Durable => "Durable",
        }
    }
}
