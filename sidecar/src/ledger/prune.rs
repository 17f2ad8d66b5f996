//! Dropping bodies that no replay may need and that are old enough. Leaves, tree and stable
//! checkpoints stay for ever, since proofs stand on them.

use std::sync::atomic::Ordering;

use byzantine_consensus::{Sequence, UnixMillis};
use redb::{Durability, ReadableDatabase as _, WriteTransaction};

use super::Ledger;
use super::entry::StoredEntry;
use super::error::{LedgerError, storage};
use super::table::{BODIES, CHECKPOINTS, COMMITS, ENTRIES, FIRST_BODIES};
use super::write::note;

/// Sequences looked at in one go: more than come between two stable checkpoints, so that it keeps
/// up, and few enough that nobody waits for it.
const PRUNED_AT_ONCE: usize = 1024;

/// What may be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispensable {
    /// Nothing above this sequence.
    pub upto: Sequence,
    /// Nothing that ran at this agreed time or later.
    pub before: UnixMillis,
    /// K: the certificates of its multiples are kept.
    pub interval: u64,
}

impl Ledger {
    /// Drops bodies, some at a time. It is durable with what is made durable next; their pages are
    /// used again from then on.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn prune(&self, dispensable: Dispensable) -> Result<(), LedgerError> {
        let from = self.first_bodies();
        let end = self.end_of_dispensable(from, dispensable)?;
        if end <= from {
            return Ok(());
        }
        let mut write = self.database.begin_write().map_err(storage)?;
        write.set_durability(Durability::None).map_err(storage)?;
        drop_bodies(&write, from, end, dispensable.interval)?;
        note(&write, FIRST_BODIES, end.0)?;
        write.commit().map_err(storage)?;
        self.bodies.store(end.0, Ordering::Release);
        Ok(())
    }

    /// The first sequence that must be kept, or that is left for the next time.
    fn end_of_dispensable(
        &self,
        from: Sequence,
        dispensable: Dispensable,
    ) -> Result<Sequence, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let mut end = from;
        let range = entries.range(from.0..=dispensable.upto.0.max(from.0));
        for item in range.map_err(storage)?.take(PRUNED_AT_ONCE) {
            let (sequence, bytes) = item.map_err(storage)?;
            let entry = StoredEntry::decode(bytes.value());
            let entry = entry.ok_or_else(|| self.damaged("an entry cannot be read"))?;
            let sequence = Sequence(sequence.value());
            if sequence > dispensable.upto || entry.time >= dispensable.before {
                break;
            }
            end = sequence.next();
        }
        Ok(end)
    }
}

fn drop_bodies(
    write: &WriteTransaction,
    from: Sequence,
    end: Sequence,
    interval: u64,
) -> Result<(), LedgerError> {
    let mut bodies = write.open_table(BODIES).map_err(storage)?;
    bodies
        .retain_in(from.0..end.0, |_, _| false)
        .map_err(storage)?;
    let mut commits = write.open_table(COMMITS).map_err(storage)?;
    commits
        .retain_in(from.0..end.0, |_, _| false)
        .map_err(storage)?;
    let mut checkpoints = write.open_table(CHECKPOINTS).map_err(storage)?;
    checkpoints
        .retain_in(from.0..end.0, |sequence, _| {
            sequence.is_multiple_of(interval)
        })
        .map_err(storage)
}
