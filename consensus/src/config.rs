//! What a replica is told at its start.

use std::sync::Arc;
use std::time::Duration;

use byzantine_proof::tree::Frontier;
use byzantine_proof::{Digest, Membership, ReplicaId};

use crate::certificate::CheckpointCertificate;
use crate::record::Record;
use crate::types::{RequestId, Sequence, UnixMillis};
use crate::verdict::VerdictWriter;

/// The settings of one replica. All members must agree on all but `replica`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which member this is.
    pub replica: ReplicaId,
    /// The members.
    pub membership: Membership,
    /// How long a known request may stay uncommitted before the primary is suspected.
    pub request_timeout: Duration,
    /// How long a new primary may take to open its view, before doubling.
    pub view_change_timeout: Duration,
    /// K: sequences between stable checkpoints.
    pub checkpoint_interval: u64,
    /// How far a proposed time may be from this replica's clock.
    pub clock_bound: Duration,
    /// How long the answer to a client's own key is remembered, in agreed time.
    pub client_key_retention: Duration,
    /// How long the answer to a key that a gateway made is remembered, in agreed time.
    pub gateway_key_retention: Duration,
    /// How many keys that one gateway let in may be remembered at once; see
    /// [`GATEWAY_KEYS`](crate::limits::GATEWAY_KEYS).
    pub gateway_keys: u32,
    /// What clients read where the replicas' apps disagree.
    pub verdicts: Arc<dyn VerdictWriter>,
}

/// What was on disk.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// What the ledger holds durably.
    pub ledger: LedgerState,
    /// The log's records, oldest first.
    pub records: Vec<Record>,
}

/// The replicated state as of the last sequence in the ledger.
#[derive(Debug, Clone)]
pub struct LedgerState {
    /// The last settled sequence; 0 when nothing is.
    pub sequence: Sequence,
    /// The agreed time at which it ran.
    pub time: UnixMillis,
    /// App calls so far.
    pub ordinal: u64,
    /// The tree up to its end.
    pub frontier: Frontier,
    /// The last sequence for which the ledger holds a certificate.
    pub certified: Sequence,
    /// The last sequence of which a key was forgotten.
    pub forgotten: Sequence,
    /// Keys not yet forgotten.
    pub keys: Vec<RememberedKey>,
    /// The newest stable checkpoint, if there is one.
    pub stable: Option<CheckpointCertificate>,
}

impl Default for LedgerState {
    fn default() -> Self {
        Self {
            sequence: Sequence(0),
            time: UnixMillis(0),
            ordinal: 0,
            frontier: Frontier::new(),
            certified: Sequence(0),
            forgotten: Sequence(0),
            keys: Vec::new(),
            stable: None,
        }
    }
}

/// An answered key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RememberedKey {
    /// Digest of client and key.
    pub key_hash: Digest,
    /// The request that used it first.
    pub request_id: RequestId,
    /// Where its leaf is.
    pub sequence: Sequence,
    /// The leaf's place in the batch.
    pub index: u32,
    /// When agreed time passes this, the key is forgotten.
    pub expires: UnixMillis,
    /// The replica whose gateway let it in, and whose quota it uses.
    pub gateway: ReplicaId,
}
