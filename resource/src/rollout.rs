//! How a new version of the app comes in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::DurationText;

/// `spec.rollout`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Rollout {
    /// All replicas at one agreed request, or one after the other.
    pub app: AppRollout,
    /// How long it may take.
    pub timeout: DurationText,
    /// What happens when it fails.
    pub on_failure: OnFailure,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            app: AppRollout::default(),
            timeout: DurationText::new("10m"),
            on_failure: OnFailure::default(),
        }
    }
}

/// When replicas change to a new version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AppRollout {
    /// At one agreed request.
    #[default]
    Switch,
    /// One after the other, for versions that answer identically.
    Rolling,
}

/// What happens when a rollout fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// Back to the old version.
    #[default]
    Rollback,
    /// Stay and wait for a person.
    Pause,
}
