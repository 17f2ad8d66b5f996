//! What goes to the executor beside the core, and what comes back.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_proof::{Cosignature, Digest, LeafKind, ReplicaId, ResponseLeaf, tree};

use crate::request::Request;
use crate::types::{RequestId, Sequence, UnixMillis};

/// One committed batch, to be run on the app strictly in the order of sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Its place in the order.
    pub sequence: Sequence,
    /// The agreed time at which all its requests run.
    pub time: UnixMillis,
    /// The batch's digest, from which seeds are derived.
    pub batch: Digest,
    /// What makes a leaf, in order. Requests answered before are not among them.
    pub items: Vec<ExecutionItem>,
    /// The outcomes, where the log has them from before a restart: only an app whose state
    /// lacks these requests needs them again, and nothing is to be reported.
    pub recorded: Option<Vec<Outcome>>,
}

/// One request that makes a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionItem {
    /// The leaf's place in the batch, from 0.
    pub index: u32,
    /// The request's name.
    pub request_id: RequestId,
    /// The request.
    pub request: Request,
    /// What exactly-once says about it.
    pub verdict: Verdict,
}

/// Whether a request runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Verdict {
    /// Call the app.
    Call {
        /// The global number of the request: `Byzantine-Ordinal`, from 1.
        ordinal: u64,
    },
    /// The key was used with another request: a certified 422 without an app call.
    Reused,
    /// No key of this gateway's can be remembered now: a certified 429 without an app call.
    Limit(Limit),
}

/// Why a request was refused for want of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Limit {
    /// The replica whose gateway let the request in.
    pub gateway: ReplicaId,
    /// How many keys of this gateway are remembered: all that may be.
    pub keys: u32,
    /// In how many seconds of agreed time the first of them is forgotten; at least 1.
    pub seconds: u64,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Outcome {
    /// A canonical answer.
    Answer(Answer),
    /// This replica cannot know the answer: it supports nothing, yet counts as having answered.
    Lost,
}

impl Outcome {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        // Writing to memory cannot fail, and lengths are far below 2^32.
        Bytes::from(borsh::to_vec(self).expect("an outcome fits into memory"))
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }

    /// The hash of the leaf, if there is one.
    pub fn leaf_hash(&self) -> Option<Digest> {
        match self {
            Self::Answer(answer) => Some(answer.leaf_hash()),
            Self::Lost => None,
        }
    }
}

/// A response in canonical form: the leaf, and what the leaf names by digest.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Answer {
    /// The text of the response leaf.
    pub leaf: Bytes,
    /// Which request fields the leaf's request digest covers.
    pub request_fields: Vec<String>,
    /// The text of the field block.
    pub fields: Bytes,
    /// The content.
    pub content: Bytes,
}

impl Answer {
    /// The hash of the leaf in the tree.
    pub fn leaf_hash(&self) -> Digest {
        tree::leaf_hash(&self.leaf)
    }

    /// Whether the replicas' apps differed, and this says so.
    pub fn is_verdict(&self) -> bool {
        let text = std::str::from_utf8(&self.leaf).ok();
        let leaf = text.and_then(|text| ResponseLeaf::parse(text).ok());
        leaf.is_some_and(|leaf| leaf.kind == LeafKind::Verdict)
    }

    /// Whether fields and content are what the leaf names.
    pub fn is_consistent(&self) -> bool {
        let text = std::str::from_utf8(&self.leaf).ok();
        let leaf = text.and_then(|text| ResponseLeaf::parse(text).ok());
        leaf.is_some_and(|leaf| {
            leaf.fields == Digest::of(&self.fields)
                && leaf.content == Digest::of(&self.content)
                && leaf.content_length == self.content.len() as u64
        })
    }
}

/// A sequence whose leaves are settled and appended to the tree. Equal on all correct replicas,
/// but for the commit certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Its place in the order.
    pub sequence: Sequence,
    /// The agreed time at which it ran.
    pub time: UnixMillis,
    /// The batch's canonical bytes.
    pub batch: Bytes,
    /// The canonical bytes of its requests, in the batch's order, duplicates included.
    pub requests: Vec<Bytes>,
    /// q COMMITs, encoded.
    pub commit_certificate: Bytes,
    /// The settled answers, in leaf order.
    pub answers: Vec<SettledAnswer>,
    /// The text of the batch leaf that ends the sequence.
    pub batch_leaf: Bytes,
    /// Leaves in the tree before this sequence.
    pub size_before: u64,
    /// Leaves in the tree after it.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// App calls so far, this sequence included.
    pub ordinal: u64,
    /// The last sequence of which a key was forgotten by then.
    pub forgotten: Sequence,
}

/// One settled answer.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SettledAnswer {
    /// Whose answer it is.
    pub request_id: RequestId,
    /// What its key is remembered under.
    pub key_hash: Digest,
    /// Whether the app was called for it.
    pub verdict: Verdict,
    /// The replica whose gateway let the request in.
    pub gateway: ReplicaId,
    /// When the key may be forgotten.
    pub expires: UnixMillis,
    /// The answer.
    pub answer: Answer,
}

/// Enough cosignatures over the tree as of the end of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certificate {
    /// The last sequence covered.
    pub sequence: Sequence,
    /// Leaves covered.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// At least max(q, k) cosignatures of distinct replicas, by replica.
    pub cosignatures: Vec<(ReplicaId, Cosignature)>,
}
