//! Why an enrolment is refused: a problem document (RFC 9457) for the sidecar, a reason for the
//! metric and the Event.

use std::fmt;

use byzantine_proof::ProofError;
use http::StatusCode;
use serde::Serialize;

/// In one word, why an enrolment is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The request cannot be read.
    Malformed,
    /// The API server does not accept the token for this audience, or any more.
    TokenRefused,
    /// The token is not that of the pod that runs this replica.
    ForeignPod,
    /// There is no such service, or no such replica of it.
    UnknownReplica,
    /// A key is of small order or otherwise unusable.
    UnusableKey,
    /// Whoever asks has not shown that it holds the secret keys.
    NoPossession,
    /// Other keys are pinned for this replica.
    KeyChanged,
    /// Another replica uses one of the keys.
    KeyInUse,
    /// An object of a name that is needed belongs to somebody else.
    NameConflict,
    /// Nothing is here.
    NotFound,
    /// Too much at once.
    Busy,
    /// The API server does not answer as it should.
    Unavailable,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Malformed,
        Self::TokenRefused,
        Self::ForeignPod,
        Self::UnknownReplica,
        Self::UnusableKey,
        Self::NoPossession,
        Self::KeyChanged,
        Self::KeyInUse,
        Self::NameConflict,
        Self::NotFound,
        Self::Busy,
        Self::Unavailable,
    ];

    /// As in metrics, Events and problem documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed",
            Self::TokenRefused => "TokenRefused",
            Self::ForeignPod => "ForeignPod",
            Self::UnknownReplica => "UnknownReplica",
            Self::UnusableKey => "UnusableKey",
            Self::NoPossession => "NoPossession",
            Self::KeyChanged => "KeyChanged",
            Self::KeyInUse => "KeyInUse",
            Self::NameConflict => "NameConflict",
            Self::NotFound => "NotFound",
            Self::Busy => "Busy",
            Self::Unavailable => "Unavailable",
        }
    }

    /// The response's status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::UnusableKey => StatusCode::BAD_REQUEST,
            Self::TokenRefused => StatusCode::UNAUTHORIZED,
            Self::ForeignPod | Self::UnknownReplica | Self::NoPossession => StatusCode::FORBIDDEN,
            Self::KeyChanged | Self::KeyInUse | Self::NameConflict => StatusCode::CONFLICT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether somebody may have tried what he must not; the rest is told to nobody but him.
    pub fn is_suspicious(self) -> bool {
        !matches!(self, Self::NotFound | Self::Busy | Self::Unavailable)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Why an enrolment is refused, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// In one word.
    pub reason: Reason,
    /// In plain words.
    pub detail: String,
}

/// The body of a refusal (RFC 9457), with the reason as an extension.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    reason: &'a str,
}

impl Refusal {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { reason, detail }
    }

    /// The problem document.
    pub(super) fn body(&self) -> Vec<u8> {
        let problem = Problem {
            r#type: format!("https://byzantine.dev/problems/enrolment#{}", self.reason),
            title: "the enrolment is refused",
            status: self.reason.status().as_u16(),
            detail: &self.detail,
            reason: self.reason.name(),
        };
        serde_json::to_vec(&problem).expect("text and numbers are JSON")
    }
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        tracing::warn!(%error, "the API server did not do what an enrolment needs");
        Self::new(
            Reason::Unavailable,
            "the API server does not answer as it should; it is tried again",
        )
    }
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        let reason = match &error {
            ProofError::Signature { .. } => Reason::NoPossession,
            ProofError::PublicKey { .. } => Reason::UnusableKey,
            ProofError::DuplicateKey { .. } => Reason::KeyInUse,
            _ => Reason::Malformed,
        };
        Self::new(reason, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_in_one_word_and_in_many() {
        let refusal = Refusal::new(Reason::KeyChanged, "other keys are pinned");
        let body: serde_json::Value = serde_json::from_slice(&refusal.body()).unwrap();
        assert_eq!(body["status"], 409);
        assert_eq!(body["reason"], "KeyChanged");
        assert_eq!(body["detail"], "other keys are pinned");
    }

    #[test]
    fn what_is_wrong_with_a_proof_has_its_reason() {
        let key = String::new();
        let signature = Refusal::from(ProofError::Signature { key: key.clone() });
        assert_eq!(signature.reason, Reason::NoPossession);
        assert_eq!(
            Refusal::from(ProofError::PublicKey { key }).reason,
            Reason::UnusableKey
        );
    }
}
