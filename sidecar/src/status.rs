//! What `/status` says: facts that this replica measured or can prove, and nothing else.
//!
//! A replica is named in an observation only on proof or own measurement; silence is reported as
//! silence, not as blame.

use serde::{Deserialize, Serialize};

/// The whole answer of `/status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `<name>.<namespace>.<domain>`.
    pub service: String,
    /// The origin under which this epoch signs.
    pub origin: String,
    /// Which replica speaks.
    pub replica: u8,
    /// Its view.
    pub view: u64,
    /// The primary of that view.
    pub primary: u8,
    /// Whether it is leaving that view.
    pub in_view_change: bool,
    /// n.
    pub members: usize,
    /// q.
    pub quorum: usize,
    /// k.
    pub reply_quorum: usize,
    /// f.
    pub fault_tolerance: usize,
    /// Whether clients should be sent here.
    pub ready: bool,
    /// Everything that is not as it should be, with the next step; a missing quorum is told here
    /// and makes nobody unready.
    pub reasons: Vec<String>,
    /// The last sequence that the app executed.
    pub executed_sequence: u64,
    /// The last sequence whose results are settled.
    pub settled_sequence: u64,
    /// The last stable checkpoint.
    pub stable_checkpoint_sequence: u64,
    /// Leaves in the ledger.
    pub ledger_size: u64,
    /// Their root in base64.
    pub ledger_root: String,
    /// App calls so far.
    pub ordinal: u64,
    /// The app beside the replica.
    pub app: AppStatus,
    /// How far back calls are kept, and what an app is rebuilt from.
    #[serde(default)]
    pub past: PastStatus,
    /// The other replicas as seen from here.
    pub peers: Vec<PeerStatus>,
    /// Counts since the start of this process.
    pub counters: Counters,
    /// What was noticed, newest last.
    pub observations: Vec<Observation>,
    /// Where an app's answer differed from the settled one, newest last.
    pub divergences: Vec<Divergence>,
    /// While the replica is not a member yet: how that goes. Nothing above is known then but who
    /// it wants to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<EnrolmentStatus>,
}

/// How far a replica is on its way to be a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrolmentStatus {
    /// In one word.
    pub state: EnrolmentState,
    /// Cause and next step in plain words.
    pub detail: String,
}

/// In one word, how far a replica is on its way to be a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrolmentState {
    /// It has begun.
    #[default]
    Enrolling,
    /// Its keys are pinned, others' are missing.
    Waiting,
    /// The operator cannot be reached, or who asks cannot be shown to it.
    Unreachable,
    /// The operator says no.
    Refused,
    /// It is a member, but its keys are gone.
    KeysLost,
    /// What lies on its volume is not its own, or cannot be used.
    ForeignVolume,
}

/// The app beside the replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppStatus {
    /// Whether it answers its health path.
    pub healthy: bool,
    /// `None`, `Memory` or `Durable`.
    pub state: String,
    /// Whether its state can no longer be that of the others.
    pub diverged: bool,
    /// Whether that lies on its own disk, so that a new start alone does not help.
    #[serde(default)]
    pub data_differ: bool,
    /// What it is doing, or what is wrong with it.
    pub detail: String,
}

/// How far back calls are kept, and what an app is rebuilt from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastStatus {
    /// The first sequence whose request and response bodies are kept.
    pub first_bodies: u64,
    /// The sequence of the newest snapshot of the app's state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_sequence: Option<u64>,
    /// Its size in bytes.
    pub snapshot_bytes: u64,
    /// The sequence of the snapshot from which the app was last rebuilt, since this process
    /// started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_sequence: Option<u64>,
    /// Calls sent to the app again since this process started.
    pub replayed_calls: u64,
    /// Why the last snapshot could not be made or used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Another replica as seen from here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerStatus {
    /// Which one.
    pub replica: u8,
    /// Whether the link to it stands.
    pub connected: bool,
    /// What it last said it had executed.
    pub executed_sequence: u64,
    /// The view it last said it was in.
    pub view: u64,
}

/// Counts since the start of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Requests that clients handed to this gateway's driver.
    pub requests: u64,
    /// Of these, answered with a proof.
    pub answered: u64,
    /// Refused because too many were waiting.
    pub refused: u64,
    /// Views entered.
    pub view_changes: u64,
    /// Messages of peers that were refused.
    pub rejections: u64,
    /// Links dropped because a peer did not read.
    pub dropped_links: u64,
}

/// The kinds of observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObservationKind {
    /// Two different signed statements where one is allowed: proof.
    Equivocation,
    /// A signature that does not verify came over the authenticated link of this replica.
    BadSignature,
    /// Its result differs from the settled leaf.
    WrongAnswer,
    /// A message that no correct replica sends.
    InvalidMessage,
    /// Nothing valid was heard from it for long.
    Silent,
    /// It answers, but late.
    Slow,
    /// No quorum gave one answer, so clients got a certified 502.
    NoQuorumAnswer,
    /// The view changed.
    ViewChange,
    /// The journal was damaged: this replica abstains until it has caught up.
    DamagedJournal,
}

/// Something that was noticed, with how often and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// What.
    pub kind: ObservationKind,
    /// About which replica; absent where nobody can be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<u8>,
    /// How often.
    pub count: u64,
    /// The last sequence it concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// In plain words.
    pub detail: String,
    /// What to do about it.
    pub next_step: String,
    /// First seen, in milliseconds since 1970.
    pub first_unix_ms: u64,
    /// Last seen, in milliseconds since 1970.
    pub last_unix_ms: u64,
}

/// One answer that differed from what was settled, or could not be settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Divergence {
    /// Whose app answered otherwise.
    pub replica: u8,
    /// The sequence of the request.
    pub sequence: u64,
    /// Its index in the sequence.
    pub index: u32,
    /// Method and target.
    pub request: String,
    /// Whether the others agreed on an answer.
    pub settled: bool,
    /// What differed first.
    pub differs: Differs,
}

/// Where two answers part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Differs {
    /// `status`, `header` or `content`.
    pub part: String,
    /// The header's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The JSON pointer (RFC 6901) or byte range in the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What it said, shortened.
    pub ours: String,
    /// What the others said, shortened.
    pub theirs: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_camel_case_and_kinds_kebab_case() {
        let observation = Observation {
            kind: ObservationKind::WrongAnswer,
            replica: Some(2),
            count: 1,
            sequence: None,
            detail: String::new(),
            next_step: String::new(),
            first_unix_ms: 1,
            last_unix_ms: 2,
        };
        let text = serde_json::to_string(&observation).unwrap();
        assert!(text.contains("\"kind\":\"wrong-answer\""), "{text}");
        assert!(text.contains("\"firstUnixMs\":1"), "{text}");
        assert_eq!(
            serde_json::from_str::<Observation>(&text).unwrap(),
            observation
        );
        let status = serde_json::to_string(&Status::default()).unwrap();
        assert!(
            status.contains("\"stableCheckpointSequence\":0"),
            "{status}"
        );
    }
}
