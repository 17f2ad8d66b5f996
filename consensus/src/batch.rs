//! Batches: what one sequence orders. The digest never covers a view, so that a batch keeps its
//! name when a new primary proposes it again.

use std::ops::Deref;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_proof::{Digest, ReplicaId};

use crate::limits::{BATCH_REQUESTS, BATCH_RESOLUTIONS};
use crate::resolution::Resolution;
use crate::types::{RequestId, Sequence, UnixMillis};

/// Which gateway's word a request is ordered on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Admission {
    /// The replica whose gateway let the request in.
    pub gateway: ReplicaId,
    /// The last sequence whose keys that replica knew when it did. Once a key of a later sequence
    /// is forgotten the word counts no more: the request may have run in between.
    pub as_of: Sequence,
}

/// An ordered list of request names and the time at which they run.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    /// Its place in the order.
    pub sequence: Sequence,
    /// The proposed time; `None` in a null batch, which runs at the time before it.
    pub time: Option<UnixMillis>,
    /// The requests, in order; none twice.
    pub requests: Vec<RequestId>,
    /// For each request the word on which it is ordered, and whose quota its key uses.
    pub admissions: Vec<Admission>,
    /// Earlier sequences that are settled here; ascending.
    pub resolutions: Vec<Resolution>,
}

impl Batch {
    /// The batch that fills a gap in a new view. (OSDI'99 §4.4)
    pub const fn null(sequence: Sequence) -> Self {
        Self {
            sequence,
            time: None,
            requests: Vec::new(),
            admissions: Vec::new(),
            resolutions: Vec::new(),
        }
    }

    /// Settles earlier sequences, and runs nothing.
    pub const fn resolving(sequence: Sequence, resolutions: Vec<Resolution>) -> Self {
        Self {
            sequence,
            time: None,
            requests: Vec::new(),
            admissions: Vec::new(),
            resolutions,
        }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        // Writing to memory cannot fail, and lengths are far below 2^32.
        Bytes::from(borsh::to_vec(self).expect("a batch fits into memory"))
    }

    /// Reads canonical bytes; `None` when they are not a well-formed batch.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let batch: Self = borsh::from_slice(bytes).ok()?;
        batch.is_valid().then_some(batch)
    }

    /// The digest that PRE-PREPARE, PREPARE and COMMIT name.
    pub fn digest(&self) -> Digest {
        digest_of(&self.encode())
    }

    /// A time exactly when there are requests, not too many of them, none twice, and a word for
    /// each; RESOLVEs of what comes before, likewise. Whether these are justified is
    /// [`Resolution`]'s to say.
    pub fn is_valid(&self) -> bool {
        let mut names = self.requests.clone();
        names.sort_unstable();
        names.dedup();
        names.len() == self.requests.len()
            && self.admissions.len() == self.requests.len()
            && names.len() <= BATCH_REQUESTS
            && names.is_empty() == self.time.is_none()
            && self.resolutions.len() <= BATCH_RESOLUTIONS
            && self
                .resolutions
                .iter()
                .all(|it| it.sequence < self.sequence)
            && self
                .resolutions
                .windows(2)
                .all(|pair| pair[0].sequence < pair[1].sequence)
    }
}

/// A batch with what is derived from it once: it is named, logged and passed on many times.
#[derive(Debug, Clone)]
pub(crate) struct KnownBatch {
    pub(crate) digest: Digest,
    /// The canonical bytes.
    pub(crate) bytes: Bytes,
    batch: Arc<Batch>,
}

impl KnownBatch {
    /// Reads canonical bytes; `None` when they are not a well-formed batch. One batch has one
    /// encoding, so its digest is that of the bytes.
    pub(crate) fn parse(bytes: &Bytes) -> Option<Self> {
        let batch = Arc::new(Batch::decode(bytes)?);
        debug_assert_eq!(batch.encode(), bytes, "decoding is strict");
        let (digest, bytes) = (digest_of(bytes), bytes.clone());
        Some(Self {
            digest,
            bytes,
            batch,
        })
    }
}

impl From<Batch> for KnownBatch {
    fn from(batch: Batch) -> Self {
        let bytes = batch.encode();
        Self {
            digest: digest_of(&bytes),
            bytes,
            batch: Arc::new(batch),
        }
    }
}

impl Deref for KnownBatch {
    type Target = Batch;

    fn deref(&self) -> &Batch {
        &self.batch
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::tagged("byzantine-ordered/v1", &[bytes])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolution::Evidence;

    const WORD: Admission = Admission {
        gateway: ReplicaId(0),
        as_of: Sequence(0),
    };

    #[test]
    fn a_request_twice_in_one_batch_is_invalid() {
        let id = RequestId(Digest::of(b"x"));
        let twice = Batch {
            sequence: Sequence(1),
            time: Some(UnixMillis(5)),
            requests: vec![id, id],
            admissions: vec![WORD; 2],
            resolutions: vec![],
        };
        assert_eq!(Batch::decode(&twice.encode()), None);
        let once = Batch {
            requests: vec![id],
            admissions: vec![WORD],
            ..twice
        };
        assert_eq!(Batch::decode(&once.encode()), Some(once.clone()));
        let nobodys = Batch {
            admissions: vec![],
            ..once
        };
        assert_eq!(Batch::decode(&nobodys.encode()), None);
    }

    #[test]
    fn resolves_are_of_earlier_sequences_each_once_in_order() {
        let batch = |sequences: &[u64]| {
            let resolution = |sequence: &u64| Resolution {
                sequence: Sequence(*sequence),
                leaves: 1,
                evidence: Evidence::Promises(Vec::new()),
            };
            Batch::resolving(Sequence(9), sequences.iter().map(resolution).collect())
        };
        assert!(batch(&[1, 2, 8]).is_valid());
        for wrong in [&[9][..], &[10], &[1, 1], &[2, 1]] {
            assert!(!batch(wrong).is_valid(), "{wrong:?}");
        }
        let many: Vec<u64> = (0..=BATCH_RESOLUTIONS as u64).collect();
        let late = |resolutions| Batch::resolving(Sequence(99), resolutions);
        let full = batch(&many[..BATCH_RESOLUTIONS]).resolutions;
        assert!(late(full).is_valid());
        assert!(!late(batch(&many).resolutions).is_valid());
    }

    #[test]
    fn there_is_a_time_exactly_when_there_are_requests_and_not_too_many() {
        let batch = |requests: u64, time: Option<u64>| Batch {
            sequence: Sequence(1),
            time: time.map(UnixMillis),
            requests: (0..requests)
                .map(|number| RequestId(Digest::of(&number.to_be_bytes())))
                .collect(),
            admissions: vec![WORD; usize::try_from(requests).unwrap()],
            resolutions: Vec::new(),
        };
        let most = BATCH_REQUESTS as u64;
        assert!(batch(0, None).is_valid() && batch(most, Some(5)).is_valid());
        assert!(!batch(0, Some(5)).is_valid() && !batch(1, None).is_valid());
        assert!(!batch(most + 1, Some(5)).is_valid());
    }

    #[test]
    fn every_request_rests_on_one_word() {
        let batch = |words: usize| Batch {
            sequence: Sequence(1),
            time: Some(UnixMillis(5)),
            requests: vec![RequestId(Digest::of(b"it"))],
            admissions: vec![WORD; words],
            resolutions: Vec::new(),
        };
        assert!(batch(1).is_valid());
        assert!(!batch(0).is_valid() && !batch(2).is_valid());
    }

    #[test]
    fn null_batches_of_two_sequences_differ() {
        let first = Batch::null(Sequence(1));
        assert_ne!(first.digest(), Batch::null(Sequence(2)).digest());
        assert_eq!(Batch::decode(&first.encode()), Some(first));
    }

    #[test]
    fn a_batch_that_was_read_has_the_digest_of_the_one_that_was_written() {
        let written = KnownBatch::from(Batch::null(Sequence(7)));
        let read = KnownBatch::parse(&written.bytes).unwrap();
        assert_eq!((*read).clone(), *written);
        assert_eq!(
            (read.digest, written.digest()),
            (written.digest, read.digest())
        );
    }
}
