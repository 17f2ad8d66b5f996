//! Questions of clients: answers, their proofs, and tiles of the certified tree.

use byzantine_consensus::{Answer, RequestId, Sequence, SettledAnswer};
use byzantine_proof::tree::inclusion_path;
use byzantine_proof::{Digest, SignedCheckpoint, Tile, TlogProof};
use redb::{ReadTransaction, ReadableDatabase as _};

use super::Ledger;
use super::entry::{Bodies, StoredEntry};
use super::error::{LedgerError, storage};
use super::table::{BODIES, ENTRIES, KEYS, NODES, StoredKey};
use crate::submission::Certified;

/// Tree levels in a tile (C2SP tlog-tiles).
const TILE_HEIGHT: u8 = 8;

impl Ledger {
    /// The certified answer to a request, if its key is remembered.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn answer_of_request(
        &self,
        key_hash: &Digest,
        request_id: RequestId,
    ) -> Result<Option<Certified>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let keys = read.open_table(KEYS).map_err(storage)?;
        let name = (*key_hash.as_bytes(), *request_id.0.as_bytes());
        let stored = keys.get(name).map_err(storage)?;
        match stored.and_then(|bytes| borsh::from_slice(bytes.value()).ok()) {
            Some(stored) => self.certified(&read, stored),
            None => Ok(None),
        }
    }

    /// The certified answer to the request that used a key first, if the key is remembered.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn answer_of_key(&self, key_hash: &Digest) -> Result<Option<Certified>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let keys = read.open_table(KEYS).map_err(storage)?;
        let key = *key_hash.as_bytes();
        for item in keys
            .range((key, [0; 32])..=(key, [0xff; 32]))
            .map_err(storage)?
        {
            let stored = borsh::from_slice::<StoredKey>(item.map_err(storage)?.1.value()).ok();
            let remembered = |stored: &StoredKey| stored.expires >= self.tip().time.0;
            if let Some(first) = stored.filter(|stored| stored.first && remembered(stored)) {
                return self.certified(&read, first);
            }
        }
        Ok(None)
    }

    /// The settled answer at a leaf's place in a sequence, certified or not; nothing but its leaf
    /// where the bodies were dropped.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn answer_at(&self, sequence: Sequence, index: u32) -> Result<Option<Answer>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let entry = self.entry(&read, sequence.0)?;
        let place = usize::try_from(index).ok();
        let Some((mut entry, place)) = entry.zip(place) else {
            return Ok(None);
        };
        if let Some(bodies) = self.bodies(&read, sequence.0)? {
            entry.answers = self.whole(&entry, &bodies)?;
        }
        let settled = entry.answers.get(place).cloned();
        Ok(settled.map(|settled| settled.answer))
    }

    /// The bodies of a sequence; `None` where it has none, or none any more.
    pub(super) fn bodies(
        &self,
        read: &ReadTransaction,
        sequence: u64,
    ) -> Result<Option<Bodies>, LedgerError> {
        let bodies = read.open_table(BODIES).map_err(storage)?;
        let Some(bytes) = bodies.get(sequence).map_err(storage)? else {
            return Ok(None);
        };
        let bodies = Bodies::decode(bytes.value());
        bodies
            .ok_or_else(|| self.damaged("bodies cannot be read"))
            .map(Some)
    }

    pub(super) fn whole(
        &self,
        entry: &StoredEntry,
        bodies: &Bodies,
    ) -> Result<Vec<SettledAnswer>, LedgerError> {
        let whole = entry.whole(bodies);
        whole.ok_or_else(|| self.damaged("bodies are not those of their entry"))
    }

    /// The proof of an answer at `position` under the newest checkpoint; `None` while that does
    /// not cover it.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn prove(&self, answer: &Answer, position: u64) -> Result<Option<TlogProof>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        self.proof(&read, answer, position)
    }

    /// The hashes of a tile behind one another; `None` where the certified tree has none.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    pub fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, LedgerError> {
        let Some(checkpoint) = self.latest_checkpoint() else {
            return Ok(None);
        };
        let level = tile.level() * TILE_HEIGHT;
        let first = tile.index() << TILE_HEIGHT;
        let certified = checkpoint.checkpoint().size >> level;
        let end = first + u64::from(tile.width());
        if end > certified {
            return Ok(None);
        }
        let read = self.database.begin_read().map_err(storage)?;
        let nodes = read.open_table(NODES).map_err(storage)?;
        let mut hashes = Vec::with_capacity(usize::from(tile.width()) * 32);
        for item in nodes.range((level, first)..(level, end)).map_err(storage)? {
            hashes.extend(item.map_err(storage)?.1.value());
        }
        Ok(Some(hashes))
    }

    /// The digest of what each sequence from `sequence` on holds, at most `limit`: equal on all
    /// correct replicas.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    pub fn entry_digests(
        &self,
        sequence: Sequence,
        limit: usize,
    ) -> Result<Vec<(Sequence, Digest)>, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let range = entries.range(sequence.0..).map_err(storage)?;
        let digests = range.take(limit).map(|item| {
            let (sequence, bytes) = item.map_err(storage)?;
            Ok((Sequence(sequence.value()), Digest::of(bytes.value())))
        });
        digests.collect()
    }

    pub(super) fn entry(
        &self,
        read: &ReadTransaction,
        sequence: u64,
    ) -> Result<Option<StoredEntry>, LedgerError> {
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let Some(bytes) = entries.get(sequence).map_err(storage)? else {
            return Ok(None);
        };
        let entry = StoredEntry::decode(bytes.value());
        entry
            .ok_or_else(|| self.damaged("an entry cannot be read"))
            .map(Some)
    }

    fn certified(
        &self,
        read: &ReadTransaction,
        stored: StoredKey,
    ) -> Result<Option<Certified>, LedgerError> {
        if stored.expires < self.tip().time.0 {
            return Ok(None);
        }
        let Some(entry) = self.entry(read, stored.sequence)? else {
            return Ok(None);
        };
        let missing = || self.damaged("an answered key names no answer");
        let place = usize::try_from(stored.index).map_err(|_| missing())?;
        if place >= entry.answers.len() {
            return Err(missing());
        }
        // A replica that followed without bodies may remember keys that the others forgot.
        let Some(bodies) = self.bodies(read, stored.sequence)? else {
            return Ok(None);
        };
        let answer = self.whole(&entry, &bodies)?.swap_remove(place).answer;
        let position = entry.size_before + u64::from(stored.index);
        let proof = self.proof(read, &answer, position)?;
        Ok(proof.map(|proof| Certified {
            answer,
            position,
            proof,
        }))
    }

    fn proof(
        &self,
        read: &ReadTransaction,
        answer: &Answer,
        position: u64,
    ) -> Result<Option<TlogProof>, LedgerError> {
        let checkpoint = self.latest_checkpoint();
        let covers = |checkpoint: &SignedCheckpoint| checkpoint.checkpoint().size > position;
        let Some(checkpoint) = checkpoint.filter(|checkpoint| covers(checkpoint)) else {
            return Ok(None);
        };
        let path = self.path(read, position, checkpoint.checkpoint().size)?;
        let ascii = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
        let texts = (ascii(&answer.leaf), ascii(&answer.fields));
        let (Ok(leaf), Ok(fields)) = texts else {
            return Err(self.damaged("an answer's leaf or field block is no text"));
        };
        Ok(Some(TlogProof {
            leaf,
            fields,
            index: position,
            path,
            note: checkpoint.note().clone(),
        }))
    }

    fn path(
        &self,
        read: &ReadTransaction,
        position: u64,
        size: u64,
    ) -> Result<Vec<Digest>, LedgerError> {
        let nodes = read.open_table(NODES).map_err(storage)?;
        let mut failed = None;
        let path = inclusion_path(position, size, |level, index| {
            match nodes.get((level, index)) {
                Ok(node) => node.map(|hash| Digest::from_bytes(hash.value())),
                Err(error) => {
                    failed = Some(storage(error));
                    None
                }
            }
        });
        match (path, failed) {
            (Some(path), _) => Ok(path),
            (None, Some(error)) => Err(error),
            (None, None) => Err(self.damaged("a node of its tree is missing")),
        }
    }
}
