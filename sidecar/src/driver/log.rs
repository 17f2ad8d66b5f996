//! The journal as the core sees it, and what it held at the start.

use std::path::{Path, PathBuf};

use byzantine_consensus::{Abstention, Log, Record};
use byzantine_journal::{Journal, JournalError, Limits, RealDisk};
use prometheus::Histogram;

use crate::error::SidecarError;

/// The answers of one batch are one record: 256 of the largest must fit.
const RECORD_BYTES: u32 = 3 << 30;

/// The journal of one replica.
pub struct JournalLog {
    journal: Journal<RealDisk>,
    directory: PathBuf,
    fsync: Histogram,
}

impl JournalLog {
    /// Opens the journal in `directory` and reads it back; `fsync` takes the time of every sync.
    ///
    /// # Errors
    /// [`SidecarError::Journal`]; [`Opening::Forgotten`] is none.
    pub fn open(directory: &Path, fsync: Histogram) -> Result<Opening, SidecarError> {
        let disk = RealDisk::open(directory).map_err(|error| journal_failed(directory, error))?;
        let (journal, recovered) = match Journal::open(disk, limits()) {
            Ok(opened) => opened,
            Err(damage @ JournalError::Damaged { .. }) => {
                return Ok(Opening::Forgotten(damage.to_string()));
            }
            Err(error) => return Err(journal_failed(directory, error)),
        };
        if let Some(torn) = &recovered.cut {
            tracing::info!(?torn, "cut the journal's unsynced end, as after any crash");
        }
        let records = recovered.records.iter();
        let records = records
            .map(|bytes| Record::decode(bytes))
            .collect::<Option<Vec<_>>>();
        let records = records.ok_or_else(|| journal_failed(directory, UnknownRecord))?;
        let log = Self {
            journal,
            directory: directory.to_owned(),
            fsync,
        };
        let compacted = recovered.compacted;
        Ok(Opening::Read {
            log,
            records,
            compacted,
        })
    }

    /// Begins a journal in place of one whose records are lost or cannot be relied on: all that it
    /// says is that this replica abstains. What was there is kept under other names.
    ///
    /// # Errors
    /// [`SidecarError::Journal`]
    pub fn forget(directory: &Path, fsync: Histogram) -> Result<(Self, Vec<Record>), SidecarError> {
        let failed = |error: JournalError| journal_failed(directory, error);
        let records = vec![Record::Abstaining(Abstention::Unbounded)];
        let disk = RealDisk::open(directory).map_err(failed)?;
        let base = records.iter().map(Record::encode);
        let journal = Journal::start_over(disk, limits(), base).map_err(failed)?;
        let log = Self {
            journal,
            directory: directory.to_owned(),
            fsync,
        };
        Ok((log, records))
    }

    /// Replaces everything by `base`; the ledger must be durable up to it.
    pub(super) fn compact(&mut self, base: &[Record]) -> Result<(), SidecarError> {
        let compacted = self.journal.compact(base.iter().map(Record::encode));
        compacted.map_err(|error| journal_failed(&self.directory, error))
    }
}

/// What opening a journal came to.
pub enum Opening {
    /// The journal was read back.
    Read {
        /// The journal.
        log: JournalLog,
        /// What it holds.
        records: Vec<Record>,
        /// Whether it begins where it was compacted to, and not at this replica's first vote.
        compacted: bool,
    },
    /// What was promised is lost, and this says how: the replica must abstain.
    Forgotten(String),
}

fn limits() -> Limits {
    Limits {
        record_bytes: RECORD_BYTES,
        group_bytes: u32::MAX,
        ..Limits::default()
    }
}

/// A record whose bytes are whole and mean nothing to this version.
#[derive(Debug, thiserror::Error)]
#[error("a record was written by another version of this program; run that one")]
struct UnknownRecord;

fn journal_failed(
    directory: &Path,
    source: impl std::error::Error + Send + Sync + 'static,
) -> SidecarError {
    let path = directory.to_owned();
    let source = Box::new(source);
    SidecarError::Journal { path, source }
}

impl Log for JournalLog {
    type Error = SidecarError;

    fn append(&mut self, record: &[u8]) -> Result<(), SidecarError> {
        let appended = match self.journal.append(record) {
            // Early durability is harmless, and makes room.
            Err(JournalError::GroupFull { .. }) => {
                self.sync()?;
                self.journal.append(record)
            }
            appended => appended,
        };
        appended.map_err(|error| journal_failed(&self.directory, error))
    }

    fn sync(&mut self) -> Result<(), SidecarError> {
        let timer = self.fsync.start_timer();
        let synced = self.journal.sync();
        timer.observe_duration();
        synced.map_err(|error| journal_failed(&self.directory, error))
    }
}
