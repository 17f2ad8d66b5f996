//! What a replica remembers of its own votes, and how it notices that it has forgotten.
//!
//! A mark beside the keys says that this replica has voted. With the mark but without a journal
//! that goes on where the ledger ends, its votes are lost: voting again could contradict them,
//! so it abstains until the order has left behind all that it can have voted for.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use byzantine_consensus::{Record, Sequence};
use byzantine_proof::ReplicaId;

use crate::driver::{JournalLog, Opening};
use crate::error::SidecarError;
use crate::ledger::Ledger;
use crate::status::ObservationKind;
use crate::telemetry::{Sighting, Telemetry};

/// The name of the mark in the directory of the keys.
pub(crate) const MARK: &str = "has-voted";

/// Where a replica's memory lies.
pub(crate) struct Memory {
    /// The journal's directory.
    pub(crate) journal: PathBuf,
    /// The file that says that there was a journal.
    pub(crate) mark: PathBuf,
    /// Whose memory it is.
    pub(crate) replica: ReplicaId,
}

impl Memory {
    /// The journal and its records; a journal that only says so where memory is lost.
    ///
    /// # Errors
    /// [`SidecarError::Journal`] or [`SidecarError::Mark`].
    pub(crate) fn recall(
        &self,
        ledger: &Ledger,
        telemetry: &Telemetry,
    ) -> Result<(JournalLog, Vec<Record>), SidecarError> {
        let fsync = || telemetry.metrics().journal_fsync();
        let forgotten = self.mark.exists() && is_blank(&self.journal);
        let lost = match JournalLog::open(&self.journal, fsync())? {
            Opening::Forgotten(damage) => damage,
            Opening::Read {
                log,
                records,
                compacted,
            } => {
                let base = if compacted { records.first() } else { None };
                match gap(base, ledger.tip().sequence, forgotten) {
                    None => {
                        self.mark()?;
                        return Ok((log, records));
                    }
                    // Dropping the journal gives its directory free.
                    Some(gap) => gap,
                }
            }
        };
        self.tell(&lost, telemetry);
        self.mark()?;
        JournalLog::forget(&self.journal, fsync())
    }

    fn mark(&self) -> Result<(), SidecarError> {
        if self.mark.exists() {
            return Ok(());
        }
        put(&self.mark).map_err(|source| SidecarError::Mark {
            path: self.mark.clone(),
            source,
        })
    }

    fn tell(&self, lost: &str, telemetry: &Telemetry) {
        tracing::error!(
            lost,
            "this replica does not know any more what it voted for: it abstains until the others \
             have gone past it, and takes what it lacks from them"
        );
        telemetry.observe(Sighting {
            kind: ObservationKind::DamagedJournal,
            replica: Some(self.replica.0),
            sequence: None,
            detail: format!(
                "replica {} lost its votes and abstains: {lost}",
                self.replica
            ),
            next_step: "wait until it votes again; if it was not you who took its files away, look \
                        at its disk. The damaged files are kept beside the new ones",
        });
    }
}

/// What is missing between the ledger and a journal that was compacted to `base`: that is a stable
/// checkpoint, once the ledger is durable up to there. One that never was holds every vote, though
/// its first record may be a checkpoint that others reached.
fn gap(base: Option<&Record>, ledger: Sequence, forgotten: bool) -> Option<String> {
    match base {
        Some(Record::Stable(stable)) if stable.certificate.sequence > ledger => {
            let begins = stable.certificate.sequence;
            Some(format!(
                "the journal begins after sequence {begins}, and the ledger ends at {ledger}"
            ))
        }
        _ if forgotten => Some("there is no journal, and this replica has voted before".to_owned()),
        _ => None,
    }
}

/// Whether nothing was ever written there.
fn is_blank(journal: &Path) -> bool {
    let Ok(entries) = fs::read_dir(journal) else {
        return true;
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.into_iter().all(|name| name == "lock")
}

/// Creates the file so that it survives a power failure.
fn put(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?
        .sync_all()?;
    let parent = path.parent().unwrap_or(Path::new("."));
    let parent = fs::canonicalize(parent)?;
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use byzantine_consensus::{Certificate, CheckpointCertificate};
    use byzantine_proof::Digest;

    use super::*;

    #[test]
    fn a_journal_that_goes_on_from_the_ledger_is_whole() {
        let base = Record::Requests(0, Vec::new());
        assert_eq!(gap(Some(&base), Sequence(0), false), None);
        assert_eq!(gap(None, Sequence(9), false), None);
    }

    #[test]
    fn a_journal_that_begins_above_the_ledger_is_not() {
        let stable = CheckpointCertificate {
            certificate: Certificate {
                sequence: Sequence(8),
                size: 20,
                root: Digest::of(b"root"),
                cosignatures: Vec::new(),
            },
            batch_leaf: String::new(),
            path: Vec::new(),
        };
        let base = Record::Stable(Box::new(stable));
        assert_eq!(gap(Some(&base), Sequence(8), false), None);
        let told = gap(Some(&base), Sequence(7), false).unwrap();
        assert!(told.contains("begins after sequence 8"), "{told}");
    }

    #[test]
    fn what_was_written_once_is_not_blank() {
        let directory = tempfile::tempdir().unwrap();
        assert!(is_blank(&directory.path().join("journal")));
        fs::write(directory.path().join("lock"), "1").unwrap();
        assert!(is_blank(directory.path()));
        fs::write(directory.path().join("segment"), "").unwrap();
        assert!(!is_blank(directory.path()));
        assert!(gap(None, Sequence(0), true).is_some());
    }

    #[test]
    fn the_mark_is_put_once_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(MARK);
        put(&path).unwrap();
        put(&path).unwrap();
        assert!(path.exists());
    }
}
