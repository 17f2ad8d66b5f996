//! What one replica has of its own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::application::EnvironmentVariable;

/// An element of `spec.overrides`: replica `ordinal` runs something else, or elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplicaOverride {
    /// Which replica, from 0.
    pub ordinal: u32,
    /// Its image.
    #[serde(default)]
    pub image: Option<String>,
    /// Its entry point.
    #[serde(default)]
    pub command: Vec<String>,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment.
    #[serde(default)]
    pub env: Vec<EnvironmentVariable>,
    /// Which nodes may run it.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Raised to give up a lost volume; it never falls.
    #[serde(default = "first_incarnation")]
    pub incarnation: u64,
}

fn first_incarnation() -> u64 {
    1
}
