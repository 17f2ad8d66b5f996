//! What travels between two peers: signed envelopes, and data that proves itself.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_proof::Digest;

use crate::certificate::CommitCertificate;
use crate::execution::{Answer, Certificate, SettledAnswer};
use crate::signed::{Envelope, SignedMessage};
use crate::types::{RequestId, Sequence};

/// One unit on a link. Only envelopes speak for their sender.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Frame {
    /// Signed messages of the sender, and the batches that its PRE-PREPAREs name.
    Envelope {
        /// The messages.
        envelope: Envelope,
        /// Encoded batches.
        batches: Vec<Bytes>,
    },
    /// Signed messages of anyone, resent.
    Relay(Vec<SignedMessage>),
    /// A question.
    Fetch(Fetch),
    /// The answer to a question.
    Supply(Supply),
    /// Of the app's state and of a ledger without bodies: between sidecars, and no concern of the
    /// core's.
    State(Bytes),
}

impl Frame {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        // Writing to memory cannot fail, and lengths are far below 2^32.
        Bytes::from(borsh::to_vec(self).expect("a frame fits into memory"))
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }
}

/// What a replica lacks.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fetch {
    /// Batches by digest.
    Batches(Vec<Digest>),
    /// Requests by name.
    Requests(Vec<RequestId>),
    /// Certified entries of the ledger from a sequence on. Answered by the driver.
    Entries(Sequence),
    /// What the peer's own app answered at a leaf.
    Outcome {
        /// The sequence.
        sequence: Sequence,
        /// The leaf's place in the batch.
        index: u32,
    },
    /// The PRE-PREPARE of the present view that the peer accepted for a sequence.
    Proposal(Sequence),
}

/// What a peer has; all of it is checked against digests or certificates.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Supply {
    /// Encoded batches.
    Batches(Vec<Bytes>),
    /// Encoded requests.
    Requests(Vec<Bytes>),
    /// Entries of the ledger, ascending.
    Entries(Vec<Entry>),
    /// One answer of the peer's own app.
    Outcome {
        /// The sequence.
        sequence: Sequence,
        /// The leaf's place in the batch.
        index: u32,
        /// The answer.
        answer: Answer,
    },
}

/// A settled and certified sequence: all that a replica needs that has missed it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// The encoded batch.
    pub batch: Bytes,
    /// Its encoded requests.
    pub requests: Vec<Bytes>,
    /// Proof that the batch was committed there.
    pub commit: CommitCertificate,
    /// The settled answers.
    pub answers: Vec<SettledAnswer>,
    /// Proof that these leaves, and all before, are settled.
    pub certificate: Certificate,
}
