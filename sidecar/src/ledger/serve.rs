//! Questions of peers that lag, and of the executor that rebuilds an app.

use byzantine_consensus::limits::{FETCH_ENTRIES, SUPPLY_BYTES};
use byzantine_consensus::{Certificate, Entry, Execution, Sequence};
use redb::ReadableDatabase as _;

use super::Ledger;
use super::entry::StoredEntry;
use super::error::{LedgerError, storage};
use super::table::{CHECKPOINTS, COMMITS, ENTRIES};
use crate::submission::History;

impl Ledger {
    /// Certified entries from a sequence on, within the limits of one answer. Each comes with the
    /// first certificate at or after it.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn supply(&self, from: Sequence) -> Result<Vec<Entry>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let commits = read.open_table(COMMITS).map_err(storage)?;
        let checkpoints = read.open_table(CHECKPOINTS).map_err(storage)?;
        let (mut supplied, mut bytes) = (Vec::new(), 0);
        let last = from.0.saturating_add(FETCH_ENTRIES);
        for item in entries.range(from.0..last).map_err(storage)? {
            let (sequence, stored) = item.map_err(storage)?;
            let sequence = sequence.value();
            let covering = checkpoints.range(sequence..).map_err(storage)?.next();
            let Some(covering) = covering.transpose().map_err(storage)? else {
                break;
            };
            let commit = commits.get(sequence).map_err(storage)?;
            let commit = commit.ok_or_else(|| self.damaged("a commit certificate is missing"))?;
            bytes += stored.value().len() + commit.value().len();
            if bytes > SUPPLY_BYTES && !supplied.is_empty() {
                break;
            }
            let entry = assemble(stored.value(), commit.value(), covering.1.value());
            supplied.push(entry.ok_or_else(|| self.damaged("an entry cannot be read"))?);
        }
        Ok(supplied)
    }
}

fn assemble(stored: &[u8], commit: &[u8], certificate: &[u8]) -> Option<Entry> {
    let stored = StoredEntry::decode(stored)?;
    let certificate: Certificate = borsh::from_slice(certificate).ok()?;
    Some(Entry {
        batch: stored.batch,
        requests: stored.requests,
        commit: borsh::from_slice(commit).ok()?,
        answers: stored.answers,
        certificate,
    })
}

impl History for Ledger {
    fn calls_from(&self, sequence: Sequence, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let mut calls = Vec::new();
        for item in entries.range(sequence.0..).map_err(storage)? {
            let (_, bytes) = item.map_err(storage)?;
            let entry = StoredEntry::decode(bytes.value());
            let execution = entry.and_then(|entry| entry.calls());
            let execution = execution.ok_or_else(|| self.damaged("an entry cannot be read"))?;
            if !execution.items.is_empty() {
                calls.push(execution);
            }
            if calls.len() >= limit {
                break;
            }
        }
        Ok(calls)
    }
}
