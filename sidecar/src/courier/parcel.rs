//! What couriers say to each other; frames carry it, and nobody signs it.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_consensus::{Bare, Certificate, Sequence};
use byzantine_proof::Digest;

use crate::snapshots::Manifest;

/// The most snapshots that one replica offers.
pub const MAX_OFFERS: usize = 4;

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum StateParcel {
    /// Which entries, bodies apart, do you have from here to there, a stable checkpoint?
    AskEntries {
        /// The first one.
        from: Sequence,
        /// The last one.
        last: Sequence,
    },
    /// What was asked for is too old: bodies begin here.
    Bodies {
        /// The first sequence with bodies.
        first: Sequence,
    },
    /// Entries without bodies, some of those asked for.
    Entries {
        /// The first one's sequence.
        first: Sequence,
        /// The entries.
        entries: Vec<Bare>,
        /// The certificate at the last of those asked for.
        certificate: Certificate,
    },
    /// Which snapshots do you have?
    AskSnapshots,
    /// These.
    Snapshots(Vec<Manifest>),
    /// A chunk of a snapshot.
    AskChunk {
        /// The digest of the manifest.
        snapshot: Digest,
        /// The place of the chunk.
        index: u32,
    },
    /// This one.
    Chunk {
        /// The digest of the manifest.
        snapshot: Digest,
        /// The place of the chunk.
        index: u32,
        /// Its bytes.
        bytes: Bytes,
    },
}

impl StateParcel {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        // Writing to memory cannot fail, and lengths are far below 2^32.
        Bytes::from(borsh::to_vec(self).expect("a parcel fits into memory"))
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }
}
