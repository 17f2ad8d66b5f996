//! Records of the write-ahead log: enough to be, after a crash, who one was before.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

use crate::abstention::Abstention;
use crate::certificate::{CheckpointCertificate, CommitCertificate, PreparedCertificate};
use crate::execution::Outcome;
use crate::signed::{Envelope, SignedMessage};
use crate::types::Sequence;

/// One thing to remember.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// Requests, as canonical bytes, with the replica whose gateway admitted them.
    Requests(u8, Vec<Bytes>),
    /// A batch, encoded.
    Batch(Bytes),
    /// Own messages, as sent.
    Own(Envelope),
    /// A message that binds this replica: PRE-PREPARE accepted, NEW-VIEW entered, and after a
    /// compaction each of its own votes.
    Accepted(SignedMessage),
    /// A batch prepared here; COMMIT rests on it.
    Prepared(PreparedCertificate),
    /// A batch committed.
    Committed(CommitCertificate),
    /// What the app answered; RESULT rests on it.
    Executed(Sequence, Vec<Outcome>),
    /// A stable checkpoint.
    Stable(Box<CheckpointCertificate>),
    /// Votes before this record are lost, so the replica abstains; the latest such record holds.
    Abstaining(Abstention),
}

impl Record {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        let mut buffer = Vec::new();
        self.encode_into(&mut buffer);
        Bytes::from(buffer)
    }

    /// The canonical bytes, in memory that served before.
    pub(crate) fn encode_into<'a>(&self, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        buffer.clear();
        // Writing to memory cannot fail, and lengths are far below 2^32.
        borsh::to_writer(&mut *buffer, self).expect("a record fits into memory");
        buffer
    }

    /// Whether something that leaves in the same tick rests on this record. A commit certificate
    /// is kept to spare fetching it again: what it says was prepared durably at a quorum, so a
    /// batch may run before its certificate is on this disk.
    pub const fn is_relied_on(&self) -> bool {
        !matches!(self, Self::Committed(_))
    }

    /// Reads canonical bytes; `None` when this version does not know them.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use byzantine_proof::Digest;

    use super::*;
    use crate::message::Vote;
    use crate::types::{Sequence, View};

    #[test]
    fn nothing_waits_for_a_commit_certificate_to_be_on_disk() {
        let vote = Vote {
            view: View(0),
            sequence: Sequence(1),
            digest: Digest::of(b"batch"),
        };
        let commits = Vec::new();
        assert!(!Record::Committed(CommitCertificate { vote, commits }).is_relied_on());
        assert!(Record::Batch(Bytes::new()).is_relied_on());
    }
}
