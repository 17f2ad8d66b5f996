//! The ledger on disk: every settled sequence, the tree over its leaves, and who vouched for it.
//!
//! One writer, the driver; any number of readers, each seeing whole ticks. What a tick appends is
//! visible at once and durable at the next stable checkpoint; until then the journal has it.
//! The file names its origin and replica, and nothing foreign or damaged is opened. Bodies that
//! nobody needs any more are dropped, and their pages used again; leaves and tree stay.

mod entry;
mod error;
mod open;
mod prune;
mod read;
mod serve;
mod table;
mod write;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use byzantine_consensus::{Certificate, UnixMillis};
use byzantine_proof::tree::Frontier;
use byzantine_proof::{Checkpoint, Digest, Membership, SignedCheckpoint};
use redb::Database;

pub use byzantine_consensus::Sequence;
pub use entry::StoredEntry;
pub use error::LedgerError;
pub use prune::Dispensable;
pub use serve::Kept;

/// An open ledger.
pub struct Ledger {
    path: PathBuf,
    database: Database,
    membership: Arc<Membership>,
    /// The first sequence whose bodies are kept.
    bodies: AtomicU64,
    state: Mutex<State>,
}

/// Kept beside the file, so that no reader walks it for these.
#[derive(Debug, Clone)]
struct State {
    tip: Tip,
    /// The newest certificate.
    certified: Option<Certified>,
}

/// The end of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// The last settled sequence; 0 when there is none.
    pub sequence: Sequence,
    /// The agreed time at which it ran.
    pub time: UnixMillis,
    /// App calls so far.
    pub ordinal: u64,
    /// The last sequence of which a key was forgotten.
    pub forgotten: Sequence,
    /// The tree.
    pub frontier: Frontier,
}

#[derive(Debug, Clone)]
struct Certified {
    sequence: Sequence,
    signed: Arc<SignedCheckpoint>,
}

impl Ledger {
    /// The end of the ledger.
    pub fn tip(&self) -> Tip {
        self.state().tip.clone()
    }

    /// Leaves and their root.
    pub fn head(&self) -> (u64, Digest) {
        let state = self.state();
        (state.tip.frontier.size(), state.tip.frontier.root())
    }

    /// The newest certified checkpoint, with exactly k cosignatures.
    pub fn latest_checkpoint(&self) -> Option<Arc<SignedCheckpoint>> {
        let state = self.state();
        let newest = state.certified.as_ref();
        newest.map(|certified| Arc::clone(&certified.signed))
    }

    /// The last sequence that a certificate covers.
    pub fn certified_sequence(&self) -> Sequence {
        let state = self.state();
        let newest = state.certified.as_ref();
        newest.map_or(Sequence(0), |certified| certified.sequence)
    }

    /// The first sequence whose bodies are kept; everything before can be proved, not replayed.
    pub fn first_bodies(&self) -> Sequence {
        Sequence(self.bodies.load(Ordering::Acquire))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and its values replace each other whole.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn advance(&self, tip: Tip, certificates: &[Certificate]) {
        let newest = certificates
            .iter()
            .max_by_key(|certificate| certificate.size);
        let signed = newest.and_then(|newest| self.sign(newest));
        let mut state = self.state();
        state.tip = tip;
        let known = state.certified.as_ref().map(|certified| certified.sequence);
        if let Some(signed) = signed.filter(|signed| Some(signed.sequence) > known) {
            state.certified = Some(signed);
        }
    }

    /// The certificate as clients see it. The core has checked it, so that it has k valid ones.
    fn sign(&self, certificate: &Certificate) -> Option<Certified> {
        let checkpoint = Checkpoint {
            origin: self.membership.origin().clone(),
            size: certificate.size,
            root: certificate.root,
        };
        let cosignatures = &certificate.cosignatures;
        let signed = SignedCheckpoint::of_checked(&self.membership, checkpoint, cosignatures);
        Some(Certified {
            sequence: certificate.sequence,
            signed: Arc::new(signed.ok()?),
        })
    }

    fn damaged(&self, what: &'static str) -> LedgerError {
        let path = self.path.clone();
        LedgerError::Damaged { path, what }
    }
}
