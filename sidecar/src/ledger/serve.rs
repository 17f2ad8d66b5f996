//! Questions of peers that lag, and of the executor that rebuilds an app.

use byzantine_consensus::limits::{FETCH_ENTRIES, SUPPLY_BYTES};
use byzantine_consensus::{Bare, Certificate, Entry, Execution, Sequence, SettledAnswer, Verdict};
use redb::{ReadTransaction, ReadableDatabase as _, ReadableTable as _};

use super::Ledger;
use super::entry::{Bodies, StoredEntry};
use super::error::{LedgerError, storage};
use super::table::{BODIES, CHECKPOINTS, COMMITS, ENTRIES};
use crate::submission::History;

/// What is kept of a sequence for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its settled answers, without field block and content.
    pub answers: Vec<SettledAnswer>,
    /// The first certificate at or after it.
    pub certificate: Certificate,
}

impl Ledger {
    /// Certified entries from a sequence on, within the limits of one answer. Each comes with the
    /// first certificate at or after it.
    ///
    /// # Errors
    /// [`LedgerError::Pruned`], [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn supply(&self, from: Sequence) -> Result<Vec<Entry>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        self.check_bodies(from)?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let (mut supplied, mut bytes) = (Vec::new(), 0);
        let last = from.0.saturating_add(FETCH_ENTRIES);
        for item in entries.range(from.0..last).map_err(storage)? {
            let (sequence, stored) = item.map_err(storage)?;
            let Some(certificate) = self.covering(&read, sequence.value())? else {
                break;
            };
            let entry = self.assemble(&read, stored.value(), certificate)?;
            bytes += size(&entry);
            if bytes > SUPPLY_BYTES && !supplied.is_empty() {
                break;
            }
            supplied.push(entry);
        }
        Ok(supplied)
    }

    /// Entries without bodies from a sequence on, up to `last`, within the limits of one answer,
    /// and the certificate at `last`; empty where this ledger does not reach so far.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn supply_bare(
        &self,
        from: Sequence,
        last: Sequence,
    ) -> Result<Option<(Vec<Bare>, Certificate)>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let checkpoints = read.open_table(CHECKPOINTS).map_err(storage)?;
        let Some(certificate) = checkpoints.get(last.0).map_err(storage)? else {
            return Ok(None);
        };
        let certificate = self.certificate(certificate.value())?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let (mut supplied, mut bytes) = (Vec::new(), 0);
        for item in entries.range(from.0..=last.0).map_err(storage)? {
            let (_, stored) = item.map_err(storage)?;
            bytes += stored.value().len();
            if bytes > SUPPLY_BYTES && !supplied.is_empty() {
                break;
            }
            supplied.push(self.stored(stored.value())?.bare());
        }
        Ok(Some((supplied, certificate)))
    }

    /// What is kept for ever, from a sequence on, at most `limit` sequences.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn kept(&self, from: Sequence, limit: usize) -> Result<Vec<Kept>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let mut kept = Vec::new();
        for item in entries.range(from.0..).map_err(storage)?.take(limit) {
            let (sequence, stored) = item.map_err(storage)?;
            let Some(certificate) = self.covering(&read, sequence.value())? else {
                break;
            };
            kept.push(Kept {
                answers: self.stored(stored.value())?.answers,
                certificate,
            });
        }
        Ok(kept)
    }

    /// The leaf of an app call, if it is the last one up to a sequence.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn leaf_of_call(
        &self,
        ordinal: u64,
        upto: Sequence,
    ) -> Result<Option<String>, LedgerError> {
        let sequence = self.batch_of_call(ordinal)?;
        let read = self.database.begin_read().map_err(storage)?;
        let ends = self.entry(&read, upto.0)?;
        let last = ends.is_some_and(|entry| entry.ordinal == ordinal);
        let entry = self.entry(&read, sequence.0)?.filter(|_| last);
        let answers = entry.into_iter().flat_map(|entry| entry.answers);
        let mut called = answers.filter(|it| it.verdict == Verdict::Call { ordinal });
        let leaf = called.next().map(|settled| settled.answer.leaf);
        Ok(leaf.and_then(|leaf| String::from_utf8(leaf.to_vec()).ok()))
    }

    fn check_bodies(&self, asked: Sequence) -> Result<(), LedgerError> {
        let (asked, first) = (asked.0, self.first_bodies().0);
        if asked < first {
            return Err(LedgerError::Pruned { asked, first });
        }
        Ok(())
    }

    /// The first certificate at or after a sequence.
    fn covering(
        &self,
        read: &ReadTransaction,
        sequence: u64,
    ) -> Result<Option<Certificate>, LedgerError> {
        let checkpoints = read.open_table(CHECKPOINTS).map_err(storage)?;
        let covering = checkpoints.range(sequence..).map_err(storage)?.next();
        let Some((_, bytes)) = covering.transpose().map_err(storage)? else {
            return Ok(None);
        };
        self.certificate(bytes.value()).map(Some)
    }

    fn certificate(&self, bytes: &[u8]) -> Result<Certificate, LedgerError> {
        borsh::from_slice(bytes).map_err(|_| self.damaged("a certificate cannot be read"))
    }

    fn stored(&self, bytes: &[u8]) -> Result<StoredEntry, LedgerError> {
        StoredEntry::decode(bytes).ok_or_else(|| self.damaged("an entry cannot be read"))
    }

    fn assemble(
        &self,
        read: &ReadTransaction,
        stored: &[u8],
        certificate: Certificate,
    ) -> Result<Entry, LedgerError> {
        let stored = self.stored(stored)?;
        let sequence = stored.sequence.0;
        let commits = read.open_table(COMMITS).map_err(storage)?;
        let commit = commits.get(sequence).map_err(storage)?;
        let commit = commit.and_then(|bytes| borsh::from_slice(bytes.value()).ok());
        let commit = commit.ok_or_else(|| self.damaged("a commit certificate is missing"))?;
        let bodies = self.bodies(read, sequence)?.unwrap_or_default();
        Ok(Entry {
            answers: self.whole(&stored, &bodies)?,
            batch: stored.batch,
            requests: bodies.requests,
            commit,
            certificate,
        })
    }
}

/// About what an entry takes on the wire.
fn size(entry: &Entry) -> usize {
    let requests = entry.requests.iter().map(bytes::Bytes::len);
    let answers = entry.answers.iter().map(|settled| {
        let answer = &settled.answer;
        answer.leaf.len() + answer.fields.len() + answer.content.len()
    });
    entry.batch.len() + requests.chain(answers).sum::<usize>()
}

impl History for Ledger {
    fn calls_from(&self, sequence: Sequence, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        self.check_bodies(sequence)?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let bodies = read.open_table(BODIES).map_err(storage)?;
        let mut calls = Vec::new();
        for item in bodies.range(sequence.0..).map_err(storage)? {
            let (place, bytes) = item.map_err(storage)?;
            let stored = entries.get(place.value()).map_err(storage)?;
            let stored = stored.ok_or_else(|| self.damaged("bodies without an entry"))?;
            let bodies = Bodies::decode(bytes.value());
            let bodies = bodies.ok_or_else(|| self.damaged("bodies cannot be read"))?;
            let execution = self.stored(stored.value())?.calls(&bodies);
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

    /// Ordinals never fall from entry to entry, so halving finds the place.
    fn batch_of_call(&self, ordinal: u64) -> Result<Sequence, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let end = entries.last().map_err(storage)?;
        let (mut low, mut high) = (1, end.map_or(0, |(last, _)| last.value()) + 1);
        while low < high {
            let middle = u64::midpoint(low, high);
            let stored = entries.get(middle).map_err(storage)?;
            let stored = stored.ok_or_else(|| self.damaged("an entry is missing"))?;
            if self.stored(stored.value())?.ordinal < ordinal {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Sequence(low))
    }
}
