//! Bringing over what is too old or too large for the agreement: entries without bodies, and
//! snapshots of the app's state. (docs/protocol.md, "State transfer")
//!
//! One task, beside the driver, that talks to the couriers of the other replicas. It believes
//! nothing that it cannot check: entries by certificates, chunks by digests, and a snapshot's
//! digest because f+1 replicas offer it, or a certified leaf names the state.

mod fetching;
mod following;
mod parcel;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::{Authority, Certificate, LedgerState, Retention, Sequence, Settlement};
use byzantine_proof::{Membership, ReplicaId};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::ledger::{Ledger, LedgerError};
use crate::snapshots::{Manifest, Snapshots};
use fetching::Fetching;
use following::Following;

pub use parcel::{MAX_OFFERS, StateParcel};

/// Between two looks at what is missing.
const TICK: Duration = Duration::from_millis(250);

/// Parcels that wait; more are dropped, and asked for again.
const QUEUE: usize = 256;

/// Entries in one answer cover at most this many sequences.
const MAX_INTERVAL: u64 = 4096;

/// A parcel of a peer, and its room in the peer's share of memory.
pub type Delivered = (ReplicaId, Bytes, OwnedSemaphorePermit);

/// What the driver is asked to do.
#[derive(Debug)]
pub enum Order {
    /// To send a parcel to a peer.
    Send(ReplicaId, StateParcel),
    /// To stop taking part, since the ledger will move without the core; the answer is its end.
    Suspend(oneshot::Sender<LedgerState>),
    /// To append what was followed, up to a stable checkpoint.
    Append {
        /// The sequences.
        settlements: Vec<Settlement>,
        /// The certificate at their end.
        checkpoint: Certificate,
        /// Told once it is durable.
        done: oneshot::Sender<()>,
    },
    /// To take part again, from where the ledger ends now.
    Resume,
}

/// What a courier is made of.
pub struct CourierParts {
    /// The members.
    pub membership: Arc<Membership>,
    /// This replica.
    pub replica: ReplicaId,
    /// Checks certificates.
    pub authority: Arc<dyn Authority>,
    /// K.
    pub interval: u64,
    /// How long keys are remembered.
    pub retention: Retention,
    /// The ledger, to read.
    pub ledger: Arc<Ledger>,
    /// The snapshots.
    pub snapshots: Arc<Snapshots>,
}

/// Carries state between replicas.
pub struct Courier {
    parts: CourierParts,
    others: Vec<ReplicaId>,
    inbox: mpsc::Receiver<Delivered>,
    orders: mpsc::Sender<Order>,
    /// From where on each peer has bodies.
    bodies: BTreeMap<ReplicaId, Sequence>,
    /// What each peer offers.
    offers: BTreeMap<ReplicaId, Vec<Manifest>>,
    following: Option<Following>,
    fetching: Fetching,
}

/// Why the courier cannot go on.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the driver has stopped")]
    Driver,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Courier {
    /// A courier, where its parcels come in, and where its orders come out.
    pub fn new(parts: CourierParts) -> (Self, mpsc::Sender<Delivered>, mpsc::Receiver<Order>) {
        let (deliver, inbox) = mpsc::channel(QUEUE);
        let (orders, ordered) = mpsc::channel(QUEUE);
        let ids = parts.membership.ids();
        let courier = Self {
            others: ids.filter(|id| *id != parts.replica).collect(),
            parts,
            inbox,
            orders,
            bodies: BTreeMap::new(),
            offers: BTreeMap::new(),
            following: None,
            fetching: Fetching::default(),
        };
        (courier, deliver, ordered)
    }

    /// Runs until the driver has stopped, or the ledger cannot be read.
    pub async fn run(mut self) {
        if let Err(ended @ Ended::Ledger(_)) = self.carry().await {
            tracing::error!(%ended, "nothing is brought over any more; restart this replica");
        }
    }

    async fn carry(&mut self) -> Result<(), Ended> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                delivered = self.inbox.recv() => {
                    let Some((from, bytes, room)) = delivered else { return Ok(()) };
                    if let Some(parcel) = StateParcel::decode(&bytes) {
                        self.take(from, parcel).await?;
                    } else {
                        tracing::warn!(%from, "a peer sent a parcel that is none");
                    }
                    drop(room);
                }
                _ = ticks.tick() => {
                    self.look_at_following().await?;
                    self.look_at_fetching().await?;
                }
            }
        }
    }

    async fn take(&mut self, from: ReplicaId, parcel: StateParcel) -> Result<(), Ended> {
        match parcel {
            StateParcel::AskEntries { from: first, last } => {
                self.give_entries(from, first, last).await
            }
            StateParcel::Bodies { first } => {
                self.bodies.insert(from, first);
                self.look_at_following().await
            }
            StateParcel::Entries {
                first,
                entries,
                certificate,
            } => self.on_entries(from, first, entries, certificate).await,
            StateParcel::AskSnapshots => self.offer(from).await,
            StateParcel::Snapshots(offered) => {
                self.on_offer(from, offered);
                Ok(())
            }
            StateParcel::AskChunk { snapshot, index } => {
                self.give_chunk(from, snapshot, index).await
            }
            StateParcel::Chunk {
                snapshot,
                index,
                bytes,
            } => self.on_chunk(from, (snapshot, index), &bytes).await,
        }
    }

    async fn give_entries(
        &self,
        to: ReplicaId,
        first: Sequence,
        last: Sequence,
    ) -> Result<(), Ended> {
        let bodies = self.parts.ledger.first_bodies();
        self.send(to, StateParcel::Bodies { first: bodies }).await?;
        if last.0.saturating_sub(first.0) >= MAX_INTERVAL {
            return Ok(());
        }
        let ledger = Arc::clone(&self.parts.ledger);
        let supplied = beside(move || ledger.supply_bare(first, last)).await?;
        if let Some((entries, certificate)) = supplied {
            let entries = StateParcel::Entries {
                first,
                entries,
                certificate,
            };
            self.send(to, entries).await?;
        }
        Ok(())
    }

    async fn offer(&self, to: ReplicaId) -> Result<(), Ended> {
        let stored = self.parts.snapshots.newest_first().into_iter();
        // What is still to be shown is nobody's to offer.
        let offered = stored.filter(|stored| stored.expected.is_none());
        let manifests = offered.map(|stored| stored.manifest).collect();
        self.send(to, StateParcel::Snapshots(manifests)).await
    }

    async fn give_chunk(
        &self,
        to: ReplicaId,
        snapshot: byzantine_proof::Digest,
        index: u32,
    ) -> Result<(), Ended> {
        let snapshots = Arc::clone(&self.parts.snapshots);
        let Some(chunk) = beside(move || snapshots.chunk(snapshot, index)).await else {
            // It is superseded; the next offers say by which.
            return Ok(());
        };
        let chunk = StateParcel::Chunk {
            snapshot,
            index,
            bytes: Bytes::from(chunk),
        };
        self.send(to, chunk).await
    }

    async fn send(&self, to: ReplicaId, parcel: StateParcel) -> Result<(), Ended> {
        self.order(Order::Send(to, parcel)).await
    }

    async fn order(&self, order: Order) -> Result<(), Ended> {
        self.orders.send(order).await.map_err(|_| Ended::Driver)
    }

    fn weak_quorum(&self) -> usize {
        self.parts.membership.f() + 1
    }
}

/// Work of disk and processor, beside the tasks that must not wait.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    // A panic there is a broken invariant of its own.
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
