//! What one sidecar says at `/status`, as far as the operator needs it.
//!
//! A single report proves nothing: it may come from a liar. See [`crate::facts`].

use serde::Deserialize;

/// The longest answer that is read, in bytes.
pub const MAX_REPORT_BYTES: usize = 1 << 20;

/// What one sidecar says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Who it says it is.
    pub replica: u32,
    /// Its view.
    pub view: u64,
    /// The primary of that view.
    pub primary: u32,
    /// Whether it would take clients.
    pub ready: bool,
    /// What is not as it should be.
    pub reasons: Vec<String>,
    /// The last sequence that its app executed.
    pub executed_sequence: u64,
    /// The app beside it.
    pub app: AppReport,
    /// The other replicas as it sees them.
    pub peers: Vec<PeerReport>,
    /// What it noticed.
    pub observations: Vec<Observation>,
    /// Answers that differed.
    pub divergences: Vec<Divergence>,
    /// How its enrolment goes, while it is not a member.
    pub enrolment: Option<EnrolmentReport>,
}

/// The app beside a sidecar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppReport {
    /// Whether it answers its health path.
    pub healthy: bool,
    /// Whether its state can no longer be that of the others.
    pub diverged: bool,
    /// What it is doing, or what is wrong with it.
    pub detail: String,
}

/// Another replica as a sidecar sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PeerReport {
    /// Which one.
    pub replica: u32,
    /// Whether the link to it stands.
    pub connected: bool,
    /// What it last said it had executed.
    pub executed_sequence: u64,
}

/// Something that a sidecar noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Observation {
    /// What; `equivocation` is proof against `replica`.
    pub kind: String,
    /// About which replica.
    pub replica: Option<u32>,
}

/// An answer that differed from what was settled, or could not be settled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Divergence {
    /// Whose app answered otherwise.
    pub replica: u32,
    /// The sequence of the request.
    pub sequence: u64,
    /// Its index in the sequence.
    pub index: u32,
    /// Method and target.
    pub request: String,
    /// Whether the others agreed on an answer.
    pub settled: bool,
}

/// How far a replica is on its way to be a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnrolmentReport {
    /// In one word.
    pub state: EnrolmentState,
    /// Cause and next step.
    pub detail: String,
}

/// In one word, how far a replica is on its way to be a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum EnrolmentState {
    /// It has begun.
    #[default]
    Enrolling,
    /// Its keys are pinned, others' are missing.
    Waiting,
    /// The operator cannot be reached.
    Unreachable,
    /// The operator says no.
    Refused,
    /// It is a member, but its keys are gone.
    KeysLost,
    /// What lies on its volume is not its own.
    ForeignVolume,
    /// A word of a newer sidecar.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_and_fewer_fields_are_read() {
        let text = r#"{"replica":2,"view":7,"colour":"red","enrolment":{"state":"Dreaming"},
            "peers":[{"replica":1,"connected":true}],
            "observations":[{"kind":"slow","count":1}]}"#;
        let report: Report = serde_json::from_str(text).unwrap();
        assert_eq!((report.replica, report.view), (2, 7));
        assert_eq!(report.enrolment.unwrap().state, EnrolmentState::Unknown);
        assert!(report.peers[0].connected);
    }
}
