//! Opening: the file must be this replica's and agree with itself.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use byzantine_consensus::{Certificate, CheckpointCertificate, LedgerState, Sequence, UnixMillis};
use byzantine_proof::tree::{Frontier, inclusion_path};
use byzantine_proof::{Digest, Membership, ReplicaId};
use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    StorageError,
};

use super::entry::StoredEntry;
use super::error::{LedgerError, storage};
use super::table::{
    BODIES, CHECKPOINTS, COMMITS, ENTRIES, EXPIRIES, FACTS, FIRST_BODIES, KEYS, NODES, STABLE,
};
use super::write::remembered_keys;
use super::{Ledger, State, Tip};

const FORMAT: &str = "byzantine-ledger/4";

/// Pages kept in memory, in bytes; the rest is the operating system's to cache.
const CACHE_BYTES: usize = 32 << 20;

impl Ledger {
    /// Opens the ledger of `replica`, or makes an empty one.
    ///
    /// # Errors
    /// Any [`LedgerError`] but [`LedgerError::Gap`].
    pub fn open(
        path: &Path,
        membership: Arc<Membership>,
        replica: ReplicaId,
    ) -> Result<Self, LedgerError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = opened(path, &builder)?;
        let state = State {
            tip: Tip {
                sequence: Sequence(0),
                time: UnixMillis(0),
                ordinal: 0,
                forgotten: Sequence(0),
                frontier: Frontier::new(),
            },
            certified: None,
        };
        let ledger = Self {
            path: path.to_owned(),
            database,
            membership,
            bodies: AtomicU64::new(0),
            state: Mutex::new(state),
        };
        ledger.claim(replica)?;
        ledger.take_up()?;
        Ok(ledger)
    }

    /// What the core needs to go on from here.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] or [`LedgerError::Storage`].
    pub fn recovered(&self) -> Result<LedgerState, LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let keys = read.open_table(KEYS).map_err(storage)?;
        let tip = self.tip();
        Ok(LedgerState {
            sequence: tip.sequence,
            time: tip.time,
            ordinal: tip.ordinal,
            forgotten: tip.forgotten,
            frontier: tip.frontier,
            certified: self.certified_sequence(),
            keys: remembered_keys(&keys, tip.time.0)?,
            stable: self.stable(&read)?,
        })
    }

    /// Writes whose ledger it is, or checks that.
    fn claim(&self, replica: ReplicaId) -> Result<(), LedgerError> {
        let owner = format!("replica {replica} of {}", self.membership.origin());
        let write = self.database.begin_write().map_err(storage)?;
        let (format, found) = {
            let mut facts = write.open_table(FACTS).map_err(storage)?;
            let format = settle_fact(&mut facts, "format", FORMAT)?;
            (format, settle_fact(&mut facts, "owner", &owner)?)
        };
        write.open_table(ENTRIES).map_err(storage)?;
        write.open_table(BODIES).map_err(storage)?;
        write.open_table(COMMITS).map_err(storage)?;
        write.open_table(CHECKPOINTS).map_err(storage)?;
        write.open_table(NODES).map_err(storage)?;
        write.open_table(KEYS).map_err(storage)?;
        write.open_table(EXPIRIES).map_err(storage)?;
        let path = self.path.clone();
        if format != FORMAT {
            let (found, expected) = (format, FORMAT);
            return Err(LedgerError::Format {
                path,
                found,
                expected,
            });
        }
        if found != owner {
            let expected = owner;
            return Err(LedgerError::Foreign {
                path,
                found,
                expected,
            });
        }
        write.commit().map_err(storage)
    }

    /// Finds the end and checks that the tree belongs to it.
    fn take_up(&self) -> Result<(), LedgerError> {
        let read = self.database.begin_read().map_err(storage)?;
        let bodies = self.fact(&read, FIRST_BODIES)?.unwrap_or(0);
        self.bodies.store(bodies, Ordering::Release);
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let Some((sequence, bytes)) = entries.last().map_err(storage)? else {
            return Ok(());
        };
        let entry = StoredEntry::decode(bytes.value());
        let entry = entry.ok_or_else(|| self.damaged("its last entry cannot be read"))?;
        let frontier = self.frontier(&read, entry.size)?;
        if sequence.value() != entry.sequence.0 || frontier.root() != entry.root {
            return Err(self.damaged("its tree is not that of its last entry"));
        }
        let tip = Tip {
            sequence: entry.sequence,
            time: entry.time,
            ordinal: entry.ordinal,
            forgotten: entry.forgotten,
            frontier,
        };
        let checkpoints = read.open_table(CHECKPOINTS).map_err(storage)?;
        let newest = checkpoints.last().map_err(storage)?;
        let newest = newest.map(|(_, bytes)| borsh::from_slice::<Certificate>(bytes.value()));
        let newest = newest.transpose();
        let newest = newest.map_err(|_| self.damaged("its last checkpoint cannot be read"))?;
        self.advance(tip, newest.as_slice());
        Ok(())
    }

    fn frontier(&self, read: &ReadTransaction, size: u64) -> Result<Frontier, LedgerError> {
        let nodes = read.open_table(NODES).map_err(storage)?;
        let (mut hashes, mut start) = (Vec::new(), 0u64);
        for level in (0..63u8).rev().filter(|level| size >> level & 1 == 1) {
            let node = nodes.get((level, start >> level)).map_err(storage)?;
            let node = node.ok_or_else(|| self.damaged("a node of its tree is missing"))?;
            hashes.push(Digest::from_bytes(node.value()));
            start += 1 << level;
        }
        let frontier = Frontier::from_parts(size, hashes);
        frontier.map_err(|_| self.damaged("its size is impossible"))
    }

    /// A number among the facts.
    fn fact(&self, read: &ReadTransaction, name: &str) -> Result<Option<u64>, LedgerError> {
        let facts = read.open_table(FACTS).map_err(storage)?;
        let Some(bytes) = facts.get(name).map_err(storage)? else {
            return Ok(None);
        };
        let number = <[u8; 8]>::try_from(bytes.value());
        let number = number.map_err(|_| self.damaged("a number of its own cannot be read"))?;
        Ok(Some(u64::from_be_bytes(number)))
    }

    /// The certificate of the newest stable checkpoint, rebuilt from its parts.
    fn stable(&self, read: &ReadTransaction) -> Result<Option<CheckpointCertificate>, LedgerError> {
        let Some(sequence) = self.fact(read, STABLE)? else {
            return Ok(None);
        };
        let unreadable = || self.damaged("its stable checkpoint cannot be read");
        let checkpoints = read.open_table(CHECKPOINTS).map_err(storage)?;
        let certificate = checkpoints
            .get(sequence)
            .map_err(storage)?
            .ok_or_else(unreadable)?;
        let certificate: Certificate =
            borsh::from_slice(certificate.value()).map_err(|_| unreadable())?;
        let entries = read.open_table(ENTRIES).map_err(storage)?;
        let entry = entries
            .get(sequence)
            .map_err(storage)?
            .ok_or_else(unreadable)?;
        let entry = StoredEntry::decode(entry.value()).ok_or_else(unreadable)?;
        let leaf = String::from_utf8(entry.batch_leaf.to_vec()).map_err(|_| unreadable())?;
        let nodes = read.open_table(NODES).map_err(storage)?;
        let node = |level, index| {
            let found = nodes.get((level, index)).ok().flatten();
            found.map(|hash| Digest::from_bytes(hash.value()))
        };
        let last = entry.size.checked_sub(1).ok_or_else(unreadable)?;
        let path = inclusion_path(last, entry.size, node).ok_or_else(unreadable)?;
        Ok(Some(CheckpointCertificate {
            certificate,
            batch_leaf: leaf,
            path,
        }))
    }
}

/// Opens the file and compares every page with its checksum. The store does that by itself only
/// after a crash, and would take what has rotted since for what was written; and where the rot is
/// in its own tables, it panics.
fn opened(path: &Path, builder: &redb::Builder) -> Result<Database, LedgerError> {
    let rotten = || {
        let (path, what) = (path.to_owned(), "pages of it are not what was written");
        LedgerError::Damaged { path, what }
    };
    let open = || {
        let mut database = builder.create(path)?;
        Ok((database.check_integrity()?, database))
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok((true, database))) => Ok(database),
        // What the store made of the file is not what was promised to be kept.
        Ok(Ok((false, _))) | Err(_) => Err(rotten()),
        Ok(Err(error)) if is_rot(&error) => Err(rotten()),
        Ok(Err(error)) => Err(unopenable(path, error)),
    }
}

fn is_rot(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Storage(StorageError::Corrupted(_)) => true,
        DatabaseError::Storage(StorageError::Io(error)) => {
            matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof
            )
        }
        _ => false,
    }
}

fn unopenable(path: &Path, error: DatabaseError) -> LedgerError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => LedgerError::InUse { path },
        source => LedgerError::Unopenable {
            path,
            source: Box::new(source),
        },
    }
}

/// Writes a fact into a new ledger; returns what stands there.
fn settle_fact(
    facts: &mut redb::Table<'_, &'static str, &'static [u8]>,
    name: &str,
    value: &str,
) -> Result<String, LedgerError> {
    let found = facts.get(name).map_err(storage)?;
    let found = found.map(|bytes| String::from_utf8_lossy(bytes.value()).into_owned());
    if found.is_none() {
        facts.insert(name, value.as_bytes()).map_err(storage)?;
    }
    Ok(found.unwrap_or_else(|| value.to_owned()))
}
