//! What the proofs say and how they travel.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `spec.proofs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Proofs {
    /// The end of the origin under which the replicas sign.
    pub domain: String,
    /// In a header or behind a link.
    pub transport: Transport,
    /// Whether the log's entries are public, not only its hashes.
    pub public_entries: bool,
}

impl Default for Proofs {
    fn default() -> Self {
        Self {
            domain: "cluster.local".to_owned(),
            transport: Transport::default(),
            public_entries: false,
        }
    }
}

/// How a proof travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Transport {
    /// In the header up to 3 kB, else behind a link.
    #[default]
    Auto,
    /// Always in the header.
    Inline,
    /// Always behind a link.
    Link,
}
