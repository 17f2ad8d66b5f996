//! The outcomes of the batch that is being executed, kept where a killed process leaves them.
//!
//! A durable app returns its last response again, but no earlier one; so each outcome is written
//! before the next call is sent. There is no fsync: after a power failure the outcomes of one
//! batch are `Lost` on this replica, and settled by the others. Whole batches are in the journal.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use bytes::Bytes;
use byzantine_consensus::{Outcome, Sequence};

/// The file, and which batch it is about.
pub(super) struct OutcomeLog {
    file: File,
    sequence: Option<Sequence>,
    saved: Vec<Outcome>,
}

impl OutcomeLog {
    /// Opens or creates the file and reads what a former process left.
    ///
    /// # Errors
    /// When the file cannot be opened or read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (sequence, saved) = read(&bytes);
        Ok(Self {
            file,
            sequence,
            saved,
        })
    }

    /// Begins a batch; returns the outcomes that a former process noted for it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn begin(&mut self, sequence: Sequence) -> io::Result<Vec<Outcome>> {
        let saved = std::mem::take(&mut self.saved);
        let resumed = if self.sequence == Some(sequence) {
            saved
        } else {
            Vec::new()
        };
        // Written anew in any case, so that a torn end is not followed by anything.
        let mut bytes = frame(&sequence.0.to_be_bytes());
        bytes.extend(resumed.iter().flat_map(|outcome| frame(&outcome.encode())));
        self.file.seek(SeekFrom::Start(0))?;
        self.file.set_len(0)?;
        self.file.write_all(&bytes)?;
        self.sequence = Some(sequence);
        Ok(resumed)
    }

    /// Notes the next outcome of the batch.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn note(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.file.write_all(&frame(&outcome.encode()))
    }
}

/// Length, checksum, bytes.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("an outcome is far below 4 GiB");
    let checksum = crc32c::crc32c(bytes);
    [&length.to_be_bytes()[..], &checksum.to_be_bytes(), bytes].concat()
}

/// Everything up to the first frame that is cut off or damaged.
fn read(mut bytes: &[u8]) -> (Option<Sequence>, Vec<Outcome>) {
    let header = next_frame(&mut bytes).and_then(|header| header.try_into().ok());
    let sequence = header.map(|header| Sequence(u64::from_be_bytes(header)));
    let outcomes = std::iter::from_fn(|| {
        next_frame(&mut bytes).and_then(|frame| Outcome::decode(&Bytes::copy_from_slice(frame)))
    });
    (sequence, outcomes.collect())
}

fn next_frame<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (frame, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    (crc32c::crc32c(frame) == u32::from_be_bytes(*checksum)).then_some(frame)
}

#[cfg(test)]
mod tests {
    use byzantine_consensus::Answer;

    use super::*;

    fn outcome(content: &'static [u8]) -> Outcome {
        Outcome::Answer(Answer {
            leaf: Bytes::from_static(b"leaf"),
            request_fields: Vec::new(),
            fields: Bytes::from_static(b"fields"),
            content: Bytes::from_static(content),
        })
    }

    #[test]
    fn a_killed_process_leaves_what_it_noted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outcomes");
        let mut log = OutcomeLog::open(&path).unwrap();
        assert_eq!(log.begin(Sequence(5)).unwrap(), []);
        log.note(&outcome(b"one")).unwrap();
        log.note(&Outcome::Lost).unwrap();
        drop(log);
        let mut log = OutcomeLog::open(&path).unwrap();
        assert_eq!(
            log.begin(Sequence(5)).unwrap(),
            [outcome(b"one"), Outcome::Lost]
        );
        log.note(&outcome(b"three")).unwrap();
        drop(log);
        let mut log = OutcomeLog::open(&path).unwrap();
        assert_eq!(log.begin(Sequence(5)).unwrap().len(), 3);
    }

    #[test]
    fn another_batch_begins_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outcomes");
        let mut log = OutcomeLog::open(&path).unwrap();
        log.begin(Sequence(5)).unwrap();
        log.note(&outcome(b"one")).unwrap();
        let mut log = OutcomeLog::open(&path).unwrap();
        assert_eq!(log.begin(Sequence(6)).unwrap(), []);
    }

    #[test]
    fn a_torn_or_damaged_end_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outcomes");
        let mut log = OutcomeLog::open(&path).unwrap();
        log.begin(Sequence(5)).unwrap();
        log.note(&outcome(b"one")).unwrap();
        log.note(&outcome(b"two")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let mut log = OutcomeLog::open(&path).unwrap();
        assert_eq!(log.begin(Sequence(5)).unwrap(), [outcome(b"one")]);
        std::fs::write(&path, &bytes[..10]).unwrap();
        let mut log = OutcomeLog::open(&path).unwrap();
        assert_eq!(log.begin(Sequence(5)).unwrap(), []);
    }
}
