//! How the replicas agree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::DurationText;

/// `spec.consensus`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Consensus {
    /// k: how many replicas sign a reply's proof; absent means the ordering quorum.
    pub reply_quorum: Option<u32>,
    /// How long a request may wait for its place before the primary is suspected.
    pub request_timeout: DurationText,
    /// How long a view change may take before the next one.
    pub view_change_timeout: DurationText,
    /// Sequences between stable checkpoints.
    pub checkpoint_interval: u64,
    /// How far the replicas' clocks may be apart.
    pub clock_bound: DurationText,
}

impl Default for Consensus {
    fn default() -> Self {
        Self {
            reply_quorum: None,
            request_timeout: DurationText::new("2s"),
            view_change_timeout: DurationText::new("4s"),
            checkpoint_interval: 128,
            clock_bound: DurationText::new("1s"),
        }
    }
}
