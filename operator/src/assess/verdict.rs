//! What a condition says.

use super::Reason;

/// Whether something is so, in one word why, and in a sentence or two what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) status: &'static str,
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Verdict {
    pub(super) fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self::new("True", reason, message)
    }

    pub(super) fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self::new("False", reason, message)
    }

    pub(super) fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self::new("Unknown", reason, message)
    }

    fn new(status: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            reason,
            message,
        }
    }
}
