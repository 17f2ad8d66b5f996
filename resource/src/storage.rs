//! Volumes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{DurationText, Quantity};

/// `spec.storage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Storage {
    /// Each sidecar's volume.
    pub ledger: LedgerStorage,
    /// Each app's volume; for `Durable` state only.
    pub app: Volume,
    /// What becomes of the volumes when the resource is deleted.
    pub retention: Retention,
}

/// `spec.storage.ledger`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LedgerStorage {
    /// Its size; it only grows.
    pub size: Quantity,
    /// The storage class; absent means the cluster's default.
    pub storage_class_name: Option<String>,
    /// The access mode.
    pub access_mode: String,
    /// How long request and response bodies are kept.
    pub keep_bodies: DurationText,
}

impl Default for LedgerStorage {
    fn default() -> Self {
        let Volume {
            size,
            storage_class_name,
            access_mode,
        } = Volume::default();
        Self {
            size,
            storage_class_name,
            access_mode,
            keep_bodies: DurationText::new("24h"),
        }
    }
}

/// `spec.storage.app`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Volume {
    /// Its size; it only grows.
    pub size: Quantity,
    /// The storage class; absent means the cluster's default.
    pub storage_class_name: Option<String>,
    /// The access mode.
    pub access_mode: String,
}

impl Default for Volume {
    fn default() -> Self {
        Self {
            size: Quantity::new("1Gi"),
            storage_class_name: None,
            access_mode: "ReadWriteOnce".to_owned(),
        }
    }
}

/// What becomes of volumes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Retention {
    /// They stay.
    #[default]
    Retain,
    /// They go with the resource.
    Delete,
}
