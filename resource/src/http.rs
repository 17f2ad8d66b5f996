//! What the gateways take in and pass on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::DurationText;

/// `spec.http`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Http {
    /// The longest request or response body, in bytes.
    pub max_body_bytes: u64,
    /// How long a client's `Idempotency-Key` is remembered.
    pub key_retention: DurationText,
    /// Paths that go to the one replica they reach, unordered and without proof.
    pub unordered_paths: Vec<String>,
    /// Request headers that do not reach the app.
    pub drop_request_headers: Vec<String>,
    /// Response headers that are removed, because they differ between replicas.
    pub drop_response_headers: Vec<String>,
    /// Request headers that the proof names besides those it always names.
    pub covered_request_headers: Vec<String>,
    /// Which web pages may call.
    pub cors: Cors,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            key_retention: DurationText::new("24h"),
            unordered_paths: Vec::new(),
            drop_request_headers: Vec::new(),
            drop_response_headers: Vec::new(),
            covered_request_headers: Vec::new(),
            cors: Cors::default(),
        }
    }
}

/// `spec.http.cors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Cors {
    /// Origins such as `https://example.org`, or `*`.
    pub allow_origins: Vec<String>,
}
