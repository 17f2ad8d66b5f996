//! The tables. Integers are their own keys, so a range of a table is a range of sequences.

use borsh::{BorshDeserialize, BorshSerialize};
use byzantine_consensus::{RememberedKey, RequestId, Sequence, UnixMillis};
use byzantine_proof::{Digest, ReplicaId};
use redb::TableDefinition;

/// Facts about the ledger as a whole, by name.
pub(super) const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");

/// The fact that names the newest stable checkpoint's sequence.
pub(super) const STABLE: &str = "stable";

/// The fact that names the first sequence whose bodies are kept.
pub(super) const FIRST_BODIES: &str = "first-bodies";

/// Sequence → [`StoredEntry`](super::entry::StoredEntry), equal on all correct replicas, for ever.
pub(super) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");

/// Sequence → [`Bodies`](super::entry::Bodies), until nobody needs them any more.
pub(super) const BODIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("bodies");

/// Sequence → q COMMITs, as long as there are bodies; which ones differs between replicas.
pub(super) const COMMITS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("commits");

/// Sequence → the [`Certificate`](byzantine_consensus::Certificate) over the tree at its end. Below
/// the first bodies only those of stable checkpoints are kept.
pub(super) const CHECKPOINTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("checkpoints");

/// (level, index) → hash of a complete node of the tree.
pub(super) const NODES: TableDefinition<'_, (u8, u64), [u8; 32]> = TableDefinition::new("nodes");

/// (key hash, request-id) → [`StoredKey`].
pub(super) const KEYS: TableDefinition<'_, ([u8; 32], [u8; 32]), &[u8]> =
    TableDefinition::new("keys");

/// (expiry, key hash, request-id): what to forget next.
pub(super) const EXPIRIES: TableDefinition<'_, (u64, [u8; 32], [u8; 32]), ()> =
    TableDefinition::new("expiries");

/// Where the answer to a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct StoredKey {
    /// The sequence that answered.
    pub(super) sequence: u64,
    /// The leaf's place in it.
    pub(super) index: u32,
    /// When agreed time passes this, the key is forgotten.
    pub(super) expires: u64,
    /// Whether this request is the one that used the key first.
    pub(super) first: bool,
    /// The replica whose gateway let it in.
    pub(super) gateway: u8,
}

impl StoredKey {
    pub(super) fn remembered(&self, key_hash: [u8; 32], request_id: [u8; 32]) -> RememberedKey {
        RememberedKey {
            key_hash: Digest::from_bytes(key_hash),
            request_id: RequestId(Digest::from_bytes(request_id)),
            sequence: Sequence(self.sequence),
            index: self.index,
            expires: UnixMillis(self.expires),
            gateway: ReplicaId(self.gateway),
        }
    }
}
