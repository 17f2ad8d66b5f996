//! Why a ledger cannot be used; every message says what to do next.

use std::path::{Path, PathBuf};

/// What is wrong with a ledger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another process has it open.
    #[error("the ledger {} is in use by another process; stop that one first, or give this \
        replica its own data directory", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened.
    #[error("cannot open the ledger {}: {source}; check that the directory exists, is writable \
        and has free space", path.display())]
    Unopenable {
        /// The file.
        path: PathBuf,
        /// What the store said.
        source: Box<redb::DatabaseError>,
    },
    /// It belongs to another service, another epoch, or another replica.
    #[error("the ledger {} belongs to {found}, but this is {expected}; give this replica its own \
        data directory, or the membership the ledger was made with", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// Another version of this program wrote it.
    #[error("the ledger {} has format `{found}`, this program reads `{expected}`; run the \
        version that wrote it", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: String,
        /// The only format known.
        expected: &'static str,
    },
    /// What it holds contradicts itself.
    #[error("the ledger {} is damaged ({what}); move {} away and start again: the replica takes \
        everything from the others", path.display(), directory(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, in a few words.
        what: &'static str,
    },
    /// Bodies that are asked for were dropped.
    #[error(
        "the bodies of sequence {asked} were dropped, they are there from {first} on; what came \
        before is in a snapshot of the app's state"
    )]
    Pruned {
        /// What was asked for.
        asked: u64,
        /// The first sequence with bodies.
        first: u64,
    },
    /// A sequence does not follow the last one.
    #[error(
        "sequence {found} cannot follow {last} in the ledger; this is a defect: keep the data \
        directory and report it"
    )]
    Gap {
        /// The last sequence it holds.
        last: u64,
        /// What should have been appended.
        found: u64,
    },
    /// Reading or writing failed.
    #[error(
        "the ledger could not be read or written: {0}; check the disk's health and free \
        space, then start again"
    )]
    Storage(#[source] Box<redb::Error>),
}

/// Where the ledger is, with the journal and the snapshots that belong to it.
fn directory(path: &Path) -> std::path::Display<'_> {
    path.parent().unwrap_or(path).display()
}

/// For `map_err` behind every call into the store.
pub(super) fn storage(error: impl Into<redb::Error>) -> LedgerError {
    LedgerError::Storage(Box::new(error.into()))
}
