//! Standard conditions: what they were, and since when they are what they are.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::Verdict;
use crate::crd::Status;
use crate::observed::Observed;

/// The longest message that the API server takes.
const MAX_MESSAGE: usize = 4096;

/// The conditions as they are being made.
pub(super) struct Conditions<'a> {
    old: &'a [Condition],
    new: Vec<Condition>,
    generation: Option<i64>,
    now: i64,
}

impl<'a> Conditions<'a> {
    pub(super) fn new(observed: &Observed, old: &'a Status) -> Self {
        Self {
            old: &old.conditions,
            new: Vec::new(),
            generation: observed.service.metadata.generation,
            now: observed.now,
        }
    }

    pub(super) fn set(&mut self, kind: &str, verdict: &Verdict) {
        let old = self.old.iter().find(|old| old.type_ == kind);
        let since = old.filter(|old| old.status == verdict.status);
        let now = Time(Timestamp::from_second(self.now).unwrap_or_default());
        self.new.push(Condition {
            type_: kind.to_owned(),
            status: verdict.status.to_owned(),
            reason: verdict.reason.as_str().to_owned(),
            message: verdict.message.chars().take(MAX_MESSAGE).collect(),
            observed_generation: self.generation,
            last_transition_time: since.map_or(now, |old| old.last_transition_time.clone()),
        });
    }

    /// Those that were set, and those that others left as they were.
    pub(super) fn done(mut self) -> Vec<Condition> {
        for old in self.old {
            if self.new.iter().all(|new| new.type_ != old.type_) {
                self.new.push(old.clone());
            }
        }
        self.new
    }
}
