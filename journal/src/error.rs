//! Everything that can go wrong with a journal.

use std::io;
use std::path::PathBuf;

use crate::damage::Damage;

/// Why a journal operation failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk reported an error. After one in `sync` the journal is closed for writing.
    #[error("cannot {operation} {file}: {source}; free space or repair the disk, then restart")]
    Disk {
        /// What was being done.
        operation: &'static str,
        /// The file, or the directory, it was done to.
        file: String,
        /// The disk's own words.
        source: io::Error,
    },
    /// Synced bytes are not what was written.
    #[error("{0}")]
    Damaged(Damage),
    /// The segment was written by another version of this software.
    #[error(
        "{file} has journal format {found}, this program reads {supported}: start the version \
         that wrote it"
    )]
    UnsupportedVersion {
        /// The segment's file name.
        file: String,
        /// Its format version.
        found: u32,
        /// The version this crate reads and writes.
        supported: u32,
    },
    /// Another process holds the journal's directory.
    #[error(
        "{} is in use by {}: stop it first, or choose another directory",
        directory.display(),
        holder.map_or_else(|| "another process".into(), |process| format!("process {process}"))
    )]
    Locked {
        /// The journal's directory.
        directory: PathBuf,
        /// The process that holds it, if it wrote its number down.
        holder: Option<u32>,
    },
    /// The record is longer than the limit; nothing was buffered.
    #[error("a record of {length} bytes is over the journal's limit of {limit}: split it")]
    RecordTooLong {
        /// The record's length, in bytes.
        length: usize,
        /// The longest permitted, in bytes.
        limit: u32,
    },
    /// The buffer cannot take this record; nothing was buffered.
    #[error("{limit} bytes already wait to be synced: call sync before the next append")]
    GroupFull {
        /// The most bytes that may wait, framing included.
        limit: u32,
    },
    /// An earlier write failed, so what is on the disk is not known.
    #[error("an earlier write to the journal failed: restart, so that it is read back")]
    Closed,
}

/// Names the operation and the file in an error of the disk.
pub(crate) fn disk_error(
    operation: &'static str,
    file: &str,
) -> impl FnOnce(io::Error) -> JournalError {
    let file = file.to_owned();
    move |source| JournalError::Disk {
        operation,
        file,
        source,
    }
}
