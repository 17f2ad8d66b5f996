//! What the journal asks of a disk: one flat directory of files.
//!
//! The contract is written for the worst disk that is still correct, so that a simulated one can
//! play it: writes not yet synced may be lost, kept or kept in part, sector by sector and in any
//! order; directory changes may be lost until the directory is synced. Beyond that a disk may
//! break: flip bits, put a sector elsewhere. The journal must notice.

use std::io;

/// The unit in which a disk writes all or nothing, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// A flat directory of files that belongs to one journal alone.
pub trait Disk {
    /// An open file of this disk.
    type File: DiskFile;

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// Creates an empty file, or empties an existing one. Durable after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn create(&mut self, name: &str) -> io::Result<Self::File>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// Whatever the disk reports; a missing file is [`io::ErrorKind::NotFound`].
    fn open(&mut self, name: &str) -> io::Result<Self::File>;

    /// Renames a file at once: after a crash it has the old name or the new one, and its content.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Durable after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes every earlier creation, renaming and removal durable.
    ///
    /// # Errors
    /// Whatever the disk reports. What is durable is then unknown.
    fn sync_directory(&mut self) -> io::Result<()>;

    /// A number that whoever chooses the records cannot foresee; marks in a segment carry it, so
    /// that record bytes cannot imitate a mark.
    ///
    /// # Errors
    /// Whatever the source of randomness reports.
    fn nonce(&mut self) -> io::Result<u64>;
}

/// One open file of a [`Disk`].
pub trait DiskFile {
    /// Its length, in bytes.
    ///
    /// # Errors
    /// Whatever the disk reports.
    fn length(&mut self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// Whatever the disk reports; a file that ends earlier is [`io::ErrorKind::UnexpectedEof`].
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`; the file grows as needed, a gap reads as zeros.
    ///
    /// # Errors
    /// Whatever the disk reports. What was written is then unknown.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written so far, and the length, durable.
    ///
    /// # Errors
    /// Whatever the disk reports. What is durable is then unknown, and asking again proves nothing.
    fn sync_data(&mut self) -> io::Result<()>;
}
