//! The signed messages of the protocol.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_proof::{Cosignature, Digest, ResponseLeaf, tree};

use crate::certificate::{CheckpointCertificate, PreparedCertificate};
use crate::limits::BATCH_REQUESTS;
#[cfg(doc)]
use crate::limits::{PROMISE_BYTES, PROMISED_FIELDS};
use crate::signed::SignedMessage;
use crate::types::{RequestId, Sequence, View};

/// Everything that a replica puts its vote key to.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Requests that the sender's gateway admitted.
    Requests {
        /// The last sequence whose keys the sender knew.
        as_of: Sequence,
        /// As canonical bytes.
        requests: Vec<Bytes>,
    },
    /// The primary assigns a batch to a sequence. (OSDI'99 §4.2)
    PrePrepare(Vote),
    /// A backup agrees to the assignment. (OSDI'99 §4.2)
    Prepare(Vote),
    /// The sender holds a prepared certificate. (OSDI'99 §4.2)
    Commit(Vote),
    /// What the sender's app answered to a sequence.
    Result(ResultVote),
    /// The sender vouches for the tree up to a sequence.
    Attest(Attestation),
    /// A clock ran out under the primary of a view.
    Suspect(Suspicion),
    /// The sender moves to a view. (OSDI'99 §4.4)
    ViewChange(ViewChange),
    /// The primary of a view opens it. (OSDI'99 §4.4)
    NewView(NewView),
    /// Where the sender stands; triggers all resending and catching up.
    Status(StatusReport),
    /// The sender's RESULT cannot settle its sequence; it gives up settling it by RESULTs.
    Promise(Promise),
    /// What REQUESTS says, by name: the signature of the one is that of the other, so this shows
    /// to others who admitted a request. Never sent by itself.
    Admitted {
        /// As in REQUESTS.
        as_of: Sequence,
        /// Which.
        names: Vec<RequestId>,
    },
}

impl Message {
    /// The first canonical byte of each REQUESTS.
    pub(crate) const REQUESTS: u8 = 0;

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        // Writing to memory cannot fail, and lengths are far below 2^32. Most messages are far
        // shorter than what the writer sets aside, and are kept for long: so the bytes are copied.
        Bytes::copy_from_slice(&borsh::to_vec(self).expect("a message fits into memory"))
    }

    /// The protocol's name of this kind, for logs and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Requests { .. } => "REQUESTS",
            Self::PrePrepare(_) => "PRE-PREPARE",
            Self::Prepare(_) => "PREPARE",
            Self::Commit(_) => "COMMIT",
            Self::Result(_) => "RESULT",
            Self::Attest(_) => "ATTEST",
            Self::Suspect(_) => "SUSPECT",
            Self::ViewChange(_) => "VIEW-CHANGE",
            Self::NewView(_) => "NEW-VIEW",
            Self::Status(_) => "STATUS",
            Self::Promise(_) => "PROMISE",
            Self::Admitted { .. } => "ADMITTED",
        }
    }
}

/// What the three phases of ordering name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// In which view.
    pub view: View,
    /// At which sequence.
    pub sequence: Sequence,
    /// Which batch.
    pub digest: Digest,
}

/// RESULT: one per replica and sequence, ever.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ResultVote {
    /// The executed sequence.
    pub sequence: Sequence,
    /// The leaf hash of each item; `None` where the answer is lost.
    pub leaves: Vec<Option<Digest>>,
}

/// PROMISE: the sender attested nothing that covers the sequence, and will settle it by a
/// certificate or a RESOLVE only.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Promise {
    /// The executed sequence.
    pub sequence: Sequence,
    /// As in the sender's RESULT.
    pub leaves: Vec<Option<Digest>>,
    /// What is behind those leaves that RESULTs did not settle, by index, as far as
    /// [`PROMISE_BYTES`] go.
    pub answers: Vec<PromisedAnswer>,
}

/// A leaf in a PROMISE, so that a verdict can name what differed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PromisedAnswer {
    /// The leaf's place in the batch.
    pub index: u32,
    /// The leaf's text.
    pub leaf: Bytes,
    /// The field block's text; empty if it is longer than [`PROMISED_FIELDS`].
    pub fields: Bytes,
}

impl Promise {
    /// Whether every answer is the one that its leaf hash names, once, in order.
    pub fn is_sound(&self) -> bool {
        let ascending = self
            .answers
            .windows(2)
            .all(|pair| pair[0].index < pair[1].index);
        ascending
            && self.leaves.len() <= BATCH_REQUESTS
            && self
                .answers
                .iter()
                .all(|answer| answer.is_behind(&self.leaves))
    }
}

impl PromisedAnswer {
    fn is_behind(&self, leaves: &[Option<Digest>]) -> bool {
        let place = usize::try_from(self.index).ok();
        let hash = place.and_then(|place| leaves.get(place).copied().flatten());
        let text = std::str::from_utf8(&self.leaf).ok();
        let leaf = text.and_then(|text| ResponseLeaf::parse(text).ok());
        let fields = leaf.map(|leaf| leaf.fields);
        hash == Some(tree::leaf_hash(&self.leaf))
            && (self.fields.is_empty() || fields == Some(Digest::of(&self.fields)))
    }
}

/// ATTEST: one per replica and size, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attestation {
    /// The last sequence covered.
    pub sequence: Sequence,
    /// Leaves covered.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// The C2SP cosignature over size and root.
    pub cosignature: Cosignature,
}

/// SUSPECT: a clock ran out in `view`; the sender keeps voting there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Suspicion {
    /// The view whose primary let a clock run out.
    pub view: View,
    /// What the clock was for.
    pub subject: Subject,
}

/// What a clock was running for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Subject {
    /// A known request that was not committed.
    Request(RequestId),
    /// A proposed sequence that was not committed.
    Sequence(Sequence),
    /// A NEW-VIEW that did not come.
    NewView,
    /// Proposals that take too long, measured against earlier primaries.
    Slow,
    /// A request that came to its end since: the word stands, and nobody need take it up.
    Answered,
    /// Nothing but the next view ends the sender's abstention.
    Abstention,
}

/// VIEW-CHANGE: carries its own justification, so a valid one moves its receiver too.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ViewChange {
    /// The view that the sender moves to.
    pub view: View,
    /// q SUSPECTs of the view before.
    pub suspicions: Vec<SignedMessage>,
    /// The sender's stable checkpoint; `None` at genesis.
    pub stable: Option<CheckpointCertificate>,
    /// What prepared at the sender above it: per sequence that of the highest view.
    pub prepared: Vec<PreparedCertificate>,
}

/// NEW-VIEW: q VIEW-CHANGEs, from which every backup computes the same re-proposals.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NewView {
    /// The view that opens.
    pub view: View,
    /// VIEW-CHANGEs of q distinct replicas for it.
    pub view_changes: Vec<SignedMessage>,
}

/// STATUS: what the sender has, so that a peer can send what it lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StatusReport {
    /// The sender's view, or the one it is changing to.
    pub view: View,
    /// Whether the sender waits for the NEW-VIEW of that view.
    pub changing: bool,
    /// The sender's stable checkpoint.
    pub stable: Sequence,
    /// Every sequence up to here is committed at the sender.
    pub committed: Sequence,
    /// Every sequence up to here is executed at the sender.
    pub executed: Sequence,
    /// Every sequence up to here is covered by a certificate that the sender holds.
    pub certified: Sequence,
    /// The highest view whose primary the sender has suspected.
    pub suspected: Option<View>,
    /// The sender waits for a stable checkpoint at or above this; 0 when it does not.
    pub awaits: Sequence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_shows_each_answer_once_and_as_its_leaf_says() {
        let leaf = Bytes::from_static(b"leaf");
        let shown = |indices: &[u32]| {
            let answer = |index: &u32| PromisedAnswer {
                index: *index,
                leaf: leaf.clone(),
                fields: Bytes::new(),
            };
            let promise = Promise {
                sequence: Sequence(1),
                leaves: vec![Some(tree::leaf_hash(&leaf)); 2],
                answers: indices.iter().map(answer).collect(),
            };
            promise.is_sound()
        };
        assert!(shown(&[]) && shown(&[1]) && shown(&[0, 1]));
        assert!(!shown(&[0, 0]) && !shown(&[1, 0]) && !shown(&[2]));
    }

    #[test]
    fn what_begins_a_requests_begins_nothing_else() {
        let (as_of, requests, names) = (Sequence(1), Vec::new(), Vec::new());
        let first = |message: Message| message.encode()[0];
        assert_eq!(
            first(Message::Requests { as_of, requests }),
            Message::REQUESTS
        );
        assert_ne!(first(Message::Admitted { as_of, names }), Message::REQUESTS);
    }
}
