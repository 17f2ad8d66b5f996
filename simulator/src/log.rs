//! The production journal on a simulated disk, and a witness of what it promised to keep.

use byzantine_consensus::{Abstention, Log, Record};
use byzantine_journal::{Journal, JournalError, Limits};

use crate::disk::SimulatedDisk;

/// Small segments, so that journals roll within a run.
const LIMITS: Limits = Limits {
    record_bytes: 16 << 20,
    group_bytes: 64 << 20,
    segment_bytes: 32 << 10,
};

/// What must be read back: digests of the synced records. Two while a compaction is under way.
#[derive(Debug, Clone, Default)]
pub struct Promise {
    kept: Vec<Vec<u64>>,
    unsynced: usize,
}

impl Promise {
    /// Nothing was promised, or the disk that it was promised on is gone.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    fn current(&mut self) -> &mut Vec<u64> {
        if self.kept.is_empty() {
            self.kept.push(Vec::new());
        }
        self.kept.truncate(1);
        &mut self.kept[0]
    }

    /// Whether these records are all that was synced, with perhaps some that were not.
    fn is_kept_by(&self, records: &[Vec<u8>]) -> bool {
        let found: Vec<u64> = records.iter().map(|record| fingerprint(record)).collect();
        let synced = |kept: &Vec<u64>| kept.len() - self.unsynced.min(kept.len());
        self.kept.is_empty()
            || self.kept.iter().any(|kept| {
                let common = found.len().min(kept.len());
                found.len() >= synced(kept)
                    && found.len() <= kept.len()
                    && found[..common] == kept[..common]
            })
    }
}

/// The journal of a simulated replica.
pub struct JournalLog {
    journal: Journal<SimulatedDisk>,
}

/// What opening a journal came to.
pub enum Opened {
    /// It is whole; whether it was ever compacted.
    Whole(JournalLog, Vec<Record>, bool),
    /// It is damaged, and says so.
    Damaged(String),
    /// The disk failed.
    Failed,
    /// Synced records are missing, and nothing was said.
    Broken(String),
}

impl JournalLog {
    /// Begins anew where memory is lost: all that the journal says is that its replica abstains.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget(
        disk: &SimulatedDisk,
        promise: &mut Promise,
    ) -> Result<(Self, Vec<Record>), JournalError> {
        let records = vec![Record::Abstaining(Abstention::Unbounded)];
        let encoded: Vec<_> = records.iter().map(Record::encode).collect();
        let fingerprints = encoded.iter().map(|record| fingerprint(record)).collect();
        // A crash on the way leaves what was there, about which nothing is promised any more.
        promise.forget();
        let journal = Journal::start_over(disk.clone(), LIMITS, encoded)?;
        promise.kept = vec![fingerprints];
        Ok((Self { journal }, records))
    }

    /// Opens the journal and compares what it holds with what it promised.
    pub fn open(disk: &SimulatedDisk, promise: &mut Promise) -> Opened {
        let opened = Journal::open(disk.clone(), LIMITS);
        let (journal, recovered) = match opened {
            Ok(opened) => opened,
            Err(JournalError::Damaged(damage)) => return Opened::Damaged(damage.to_string()),
            Err(JournalError::Disk { .. }) => return Opened::Failed,
            Err(error) => return Opened::Broken(error.to_string()),
        };
        if !promise.is_kept_by(&recovered.records) {
            let found = recovered.records.len();
            return Opened::Broken(format!("{found} records are not what was synced"));
        }
        let mut fresh = Promise::default();
        let fingerprints = recovered.records.iter().map(|record| fingerprint(record));
        fresh.kept = vec![fingerprints.collect()];
        *promise = fresh;
        let records = recovered.records.iter();
        let decoded: Option<Vec<Record>> = records.map(|bytes| Record::decode(bytes)).collect();
        match decoded {
            Some(records) => Opened::Whole(Self { journal }, records, recovered.compacted),
            None => Opened::Broken("a record cannot be decoded".to_owned()),
        }
    }

    /// Replaces everything by `base`.
    ///
    /// # Errors
    /// The disk's.
    pub fn compact(&mut self, base: &[Record], promise: &mut Promise) -> Result<(), JournalError> {
        let encoded: Vec<_> = base.iter().map(Record::encode).collect();
        let fingerprints = encoded.iter().map(|record| fingerprint(record)).collect();
        promise.current();
        promise.kept.push(fingerprints);
        self.journal.compact(encoded)?;
        promise.kept.remove(0);
        Ok(())
    }

    /// The log as the core writes it, with its witness.
    pub fn witnessed<'a>(&'a mut self, promise: &'a mut Promise) -> Witnessed<'a> {
        Witnessed {
            journal: &mut self.journal,
            promise,
        }
    }
}

/// A journal whose promises are noted.
pub struct Witnessed<'a> {
    journal: &'a mut Journal<SimulatedDisk>,
    promise: &'a mut Promise,
}

impl Log for Witnessed<'_> {
    type Error = JournalError;

    fn append(&mut self, record: &[u8]) -> Result<(), JournalError> {
        self.journal.append(record)?;
        self.promise.current().push(fingerprint(record));
        self.promise.unsynced += 1;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        self.journal.sync()?;
        self.promise.unsynced = 0;
        Ok(())
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    for word in words.iter().chain([&last]) {
        state = (state ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state ^= state >> 29;
    }
    state
}
