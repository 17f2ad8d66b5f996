//! The write-ahead log of a replica: segments, checksums, group commit.
//!
//! Records are opaque bytes. [`Journal::append`] buffers them, [`Journal::sync`] makes the buffered
//! group durable with one write and one fdatasync. Invariants: what `sync` returned for is read
//! back by every later [`Journal::open`], in order, or `open` refuses with [`Damage`]; what was
//! never synced may be lost, but only from the end; a crash at any point leaves a journal that
//! opens. A synced end is written twice, by the group itself and by the seal behind it, which is
//! how a rotten synced tail is told from a torn unsynced one.

mod damage;
mod disk;
mod error;
mod group;
mod journal;
mod limits;
mod mark;
mod real_disk;
mod recovery;
pub mod sabotage;
mod scan;
mod segment;
mod segment_header;

pub use damage::{Damage, DamageKind};
pub use disk::{Disk, DiskFile, SECTOR_BYTES};
pub use error::JournalError;
pub use journal::{Journal, Recovered};
pub use limits::Limits;
pub use real_disk::RealDisk;
pub use recovery::TornTail;
