//! Events: what changed from one status to the next.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Reason;
use crate::action::Note;
use crate::crd::Status;

/// An Event holds at most 1 kB of message.
const MAX_MESSAGE: usize = 1000;

/// Nobody needs to look at these.
const CALM: [Reason; 5] = [
    Reason::UpToDate,
    Reason::Paused,
    Reason::Enrolling,
    Reason::WaitingForReplica,
    Reason::ImageNotPinned,
];

/// An Event for each condition that changed its reason, and for each pod that has to go.
pub fn notes(old: &Status, new: &Status) -> Vec<Note> {
    let mut notes: Vec<Note> = new
        .conditions
        .iter()
        .filter(|condition| is_news(old, condition))
        .map(note)
        .collect();
    let turn = new
        .replacing
        .as_ref()
        .filter(|_| old.replacing != new.replacing);
    if let Some(turn) = turn {
        notes.push(Note {
            warning: false,
            reason: "ReplacingReplica".to_owned(),
            action: "Replace",
            message: format!("replica {} gets revision {}", turn.ordinal, turn.revision),
        });
    }
    notes
}

fn is_news(old: &Status, condition: &Condition) -> bool {
    let before = old
        .conditions
        .iter()
        .find(|before| before.type_ == condition.type_);
    match before {
        Some(before) => before.reason != condition.reason || before.status != condition.status,
        None => condition.type_ == "Ready",
    }
}

fn note(condition: &Condition) -> Note {
    let good = if condition.type_ == "Degraded" {
        "False"
    } else {
        "True"
    };
    let mut calm = CALM.iter().map(|reason| reason.as_str());
    let warning = condition.status != good && !calm.any(|calm| calm == condition.reason);
    let (kind, message) = (&condition.type_, &condition.message);
    Note {
        warning,
        reason: condition.reason.clone(),
        action: "Observe",
        message: format!("{kind}: {message}")
            .chars()
            .take(MAX_MESSAGE)
            .collect(),
    }
}
