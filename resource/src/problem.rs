//! One broken rule of a manifest.

use std::fmt;

/// A field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field's path, such as `spec.consensus.replyQuorum`.
    pub path: String,
    /// What was given, as short text.
    pub given: String,
    /// Why that cannot be.
    pub why: String,
    /// What to do.
    pub next_step: String,
}

impl Problem {
    pub(crate) fn new(
        path: impl Into<String>,
        given: impl fmt::Display,
        why: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        let given = given.to_string().chars().take(80).collect();
        Self {
            path: path.into(),
            given,
            why: why.into(),
            next_step: next_step.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            given,
            why,
            next_step,
        } = self;
        write!(
            formatter,
            "{path}: {given}\n    why: {why}\n    next: {next_step}"
        )
    }
}
