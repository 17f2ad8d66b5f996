//! Appending. Each tick of the driver is one transaction; only those at stable checkpoints wait
//! for the disk, since the journal holds everything that came after.

use std::sync::atomic::Ordering;

use byzantine_consensus::{
    Certificate, RememberedKey, Sequence, SettledAnswer, Settlement, Verdict,
};
use byzantine_proof::tree::{Frontier, leaf_hash};
use redb::{Durability, ReadableTable as _, WriteTransaction};

use super::entry::{Bodies, StoredEntry};
use super::error::{LedgerError, storage};
use super::table::{
    BODIES, CHECKPOINTS, COMMITS, ENTRIES, EXPIRIES, FACTS, FIRST_BODIES, KEYS, NODES, STABLE,
    StoredKey,
};
use super::{Ledger, Tip};

/// Keys forgotten with each sequence; more than one can add, so that none pile up.
const FORGOTTEN_PER_SEQUENCE: usize = 512;

impl Ledger {
    /// Appends settled sequences, which follow the last one without a gap, and certificates.
    /// Readers see them at once; after a crash they may be gone, and the journal has them.
    ///
    /// # Errors
    /// [`LedgerError::Gap`], [`LedgerError::Damaged`] when a root is not that of the leaves, or
    /// [`LedgerError::Storage`]; nothing is written then.
    pub fn append(
        &self,
        settlements: &[Settlement],
        certificates: &[Certificate],
    ) -> Result<(), LedgerError> {
        if settlements.is_empty() && certificates.is_empty() {
            return Ok(());
        }
        let mut write = self.database.begin_write().map_err(storage)?;
        write.set_durability(Durability::None).map_err(storage)?;
        let tip = self.add(&write, settlements)?;
        append_certificates(&write, certificates)?;
        write.commit().map_err(storage)?;
        self.advance(tip, certificates);
        Ok(())
    }

    /// Appends sequences without bodies, up to a stable checkpoint, and makes them durable at once:
    /// no journal has them.
    ///
    /// # Errors
    /// As for [`Ledger::append`].
    pub fn append_bare(
        &self,
        settlements: &[Settlement],
        checkpoint: &Certificate,
    ) -> Result<(), LedgerError> {
        let mut write = self.database.begin_write().map_err(storage)?;
        write.set_quick_repair(true);
        let tip = self.add(&write, settlements)?;
        append_certificates(&write, std::slice::from_ref(checkpoint))?;
        let first = tip.sequence.next().0;
        note(&write, STABLE, checkpoint.sequence.0)?;
        note(&write, FIRST_BODIES, first)?;
        write.commit().map_err(storage)?;
        self.bodies.store(first, Ordering::Release);
        self.advance(tip, std::slice::from_ref(checkpoint));
        Ok(())
    }

    /// The end of the ledger once the write is committed.
    fn add(
        &self,
        write: &WriteTransaction,
        settlements: &[Settlement],
    ) -> Result<Tip, LedgerError> {
        let mut tip = self.tip();
        for settlement in settlements {
            if settlement.sequence != tip.sequence.next() {
                let (last, found) = (tip.sequence.0, settlement.sequence.0);
                return Err(LedgerError::Gap { last, found });
            }
            self.append_leaves(write, settlement, &mut tip.frontier)?;
            append_entry(write, settlement)?;
            remember(write, settlement)?;
            forget(write, settlement.time.0)?;
            tip.sequence = settlement.sequence;
            tip.time = settlement.time;
            tip.ordinal = settlement.ordinal;
            tip.forgotten = settlement.forgotten;
        }
        Ok(tip)
    }

    /// Returns once everything appended so far is on disk; `stable` is the newest stable
    /// checkpoint. Only then may the journal be compacted.
    ///
    /// # Errors
    /// [`LedgerError::Storage`].
    pub fn make_durable(&self, stable: Option<Sequence>) -> Result<(), LedgerError> {
        let mut write = self.database.begin_write().map_err(storage)?;
        write
            .set_durability(Durability::Immediate)
            .map_err(storage)?;
        // Else the next start after a crash would walk the whole file.
        write.set_quick_repair(true);
        if let Some(stable) = stable {
            note(&write, STABLE, stable.0)?;
        }
        write.commit().map_err(storage)
    }

    fn append_leaves(
        &self,
        write: &WriteTransaction,
        settlement: &Settlement,
        frontier: &mut Frontier,
    ) -> Result<(), LedgerError> {
        let mut nodes = write.open_table(NODES).map_err(storage)?;
        let answers = settlement
            .answers
            .iter()
            .map(|settled| &settled.answer.leaf);
        for leaf in answers.chain([&settlement.batch_leaf]) {
            for node in frontier.append(leaf_hash(leaf)) {
                let key = (node.level, node.index);
                nodes.insert(key, node.hash.as_bytes()).map_err(storage)?;
            }
        }
        if frontier.size() == settlement.size && frontier.root() == settlement.root {
            Ok(())
        } else {
            Err(self.damaged("the settled root is not that of its leaves"))
        }
    }
}

fn append_entry(write: &WriteTransaction, settlement: &Settlement) -> Result<(), LedgerError> {
    let sequence = settlement.sequence.0;
    let bytes = StoredEntry::of(settlement).encode();
    let mut entries = write.open_table(ENTRIES).map_err(storage)?;
    entries
        .insert(sequence, bytes.as_slice())
        .map_err(storage)?;
    if !settlement.requests.is_empty() {
        let bytes = Bodies::of(settlement).encode();
        let mut bodies = write.open_table(BODIES).map_err(storage)?;
        bodies.insert(sequence, bytes.as_slice()).map_err(storage)?;
    }
    if !settlement.commit_certificate.is_empty() {
        let mut commits = write.open_table(COMMITS).map_err(storage)?;
        let certificate = &settlement.commit_certificate[..];
        commits.insert(sequence, certificate).map_err(storage)?;
    }
    Ok(())
}

/// Writes a number among the facts.
pub(super) fn note(write: &WriteTransaction, name: &str, number: u64) -> Result<(), LedgerError> {
    let mut facts = write.open_table(FACTS).map_err(storage)?;
    let bytes = number.to_be_bytes();
    facts.insert(name, &bytes[..]).map_err(storage)?;
    Ok(())
}

fn append_certificates(
    write: &WriteTransaction,
    certificates: &[Certificate],
) -> Result<(), LedgerError> {
    let mut checkpoints = write.open_table(CHECKPOINTS).map_err(storage)?;
    for certificate in certificates {
        // Writing to memory cannot fail, and there are at most 32 cosignatures.
        let bytes = borsh::to_vec(certificate).expect("a certificate fits into memory");
        let sequence = certificate.sequence.0;
        checkpoints
            .insert(sequence, bytes.as_slice())
            .map_err(storage)?;
    }
    Ok(())
}

fn remember(write: &WriteTransaction, settlement: &Settlement) -> Result<(), LedgerError> {
    let mut keys = write.open_table(KEYS).map_err(storage)?;
    let mut expiries = write.open_table(EXPIRIES).map_err(storage)?;
    let places = (0..).zip(&settlement.answers);
    // A request that met a limit may be sent again, and is then decided anew.
    let kept = places.filter(|(_, settled)| !matches!(settled.verdict, Verdict::Limit(_)));
    for (index, settled) in kept {
        let (key_hash, request_id) = names(settled);
        let stored = StoredKey {
            sequence: settlement.sequence.0,
            index,
            expires: settled.expires.0,
            first: matches!(settled.verdict, Verdict::Call { .. }),
            gateway: settled.gateway.0,
        };
        // Writing to memory cannot fail.
        let bytes = borsh::to_vec(&stored).expect("a key fits into memory");
        keys.insert((key_hash, request_id), bytes.as_slice())
            .map_err(storage)?;
        expiries
            .insert((settled.expires.0, key_hash, request_id), ())
            .map_err(storage)?;
    }
    Ok(())
}

fn names(settled: &SettledAnswer) -> ([u8; 32], [u8; 32]) {
    (
        *settled.key_hash.as_bytes(),
        *settled.request_id.0.as_bytes(),
    )
}

/// Drops what agreed time has passed, unless the key was used anew since.
fn forget(write: &WriteTransaction, now: u64) -> Result<(), LedgerError> {
    let mut expiries = write.open_table(EXPIRIES).map_err(storage)?;
    let mut keys = write.open_table(KEYS).map_err(storage)?;
    let first = (0, [0; 32], [0; 32]);
    let end = (now, [0; 32], [0; 32]);
    let passed = expiries.range(first..end).map_err(storage)?;
    let mut due = Vec::new();
    for item in passed.take(FORGOTTEN_PER_SEQUENCE) {
        due.push(item.map_err(storage)?.0.value());
    }
    for (expires, key_hash, request_id) in due {
        expiries
            .remove((expires, key_hash, request_id))
            .map_err(storage)?;
        let name = (key_hash, request_id);
        let current = keys.get(name).map_err(storage)?;
        let stored = current.and_then(|bytes| borsh::from_slice::<StoredKey>(bytes.value()).ok());
        if stored.is_some_and(|stored| stored.expires == expires) {
            keys.remove(name).map_err(storage)?;
        }
    }
    Ok(())
}

/// All keys that agreed time `now` has not passed, for the core at its start.
pub(super) fn remembered_keys(
    keys: &impl redb::ReadableTable<([u8; 32], [u8; 32]), &'static [u8]>,
    now: u64,
) -> Result<Vec<RememberedKey>, LedgerError> {
    let mut remembered = Vec::new();
    for item in keys.iter().map_err(storage)? {
        let (name, bytes) = item.map_err(storage)?;
        let Ok(stored) = borsh::from_slice::<StoredKey>(bytes.value()) else {
            continue;
        };
        let (key_hash, request_id) = name.value();
        if stored.first && stored.expires >= now {
            remembered.push(stored.remembered(key_hash, request_id));
        }
    }
    Ok(remembered)
}
