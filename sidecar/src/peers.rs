//! Links to the other replicas: TLS 1.3 with pinned keys, length-prefixed frames.
//!
//! Both sides dial, and each sends on the connection it dialled, so a pair has two one-way links.
//! Nothing is kept for a link that is down, and one whose peer does not read is cut: the
//! agreement repeats what a peer lacks when its STATUS says so. Every queue is bounded in
//! frames and bytes; a peer that floods is slowed down by TCP, alone.

mod accept;
mod dial;
mod framing;
mod identity;
mod lane;
mod pinning;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use byzantine_consensus::Frame;
use byzantine_proof::{Membership, ReplicaId, SecretKey};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;

use crate::error::SidecarError;
use crate::interposer::{Isolation, Parcel};
use identity::Identity;
use lane::Lane;

/// Events of one peer on their way to the driver.
const EVENT_QUEUE: usize = 1024;

/// What a peer did, as far as its link tells.
#[derive(Debug)]
pub enum PeerEvent {
    /// Frames can be sent to it.
    Connected,
    /// Frames to it are dropped from now on.
    Disconnected,
    /// A frame came.
    Frame {
        /// The frame.
        frame: Frame,
        /// Room in the peer's share of memory, free again when dropped.
        room: OwnedSemaphorePermit,
    },
    /// Bytes came over its authenticated link that are no frame.
    Malformed,
}

/// The events of every other replica, each in a queue of its own.
pub type PeerEvents = Vec<(ReplicaId, mpsc::Receiver<PeerEvent>)>;

/// Which replica this is and where the others are.
pub struct Neighbourhood {
    /// The members, whose link keys are pinned.
    pub membership: Arc<Membership>,
    /// This replica.
    pub replica: ReplicaId,
    /// `host:port` of every replica's peer port, by number.
    pub addresses: Vec<String>,
    /// Cuts all links while it lasts.
    pub isolation: Isolation,
}

/// The links to all other replicas; dropping it closes them.
pub struct Peers {
    lanes: Vec<Option<Arc<Lane>>>,
    dropped: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Peers {
    /// Starts dialling and accepting. Each other replica's events come in a queue of their own,
    /// so that none can crowd out the rest.
    ///
    /// # Errors
    /// [`SidecarError::Tls`] when the link key makes no identity.
    pub fn start(
        neighbourhood: Neighbourhood,
        link_key: &SecretKey,
        listener: TcpListener,
    ) -> Result<(Self, PeerEvents), SidecarError> {
        let Neighbourhood {
            membership,
            replica,
            addresses,
            isolation,
        } = neighbourhood;
        let identity = Arc::new(Identity::new(link_key, membership)?);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        let (mut lanes, mut senders, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
        for (id, address) in identity.membership().ids().zip(addresses) {
            if id == replica {
                lanes.push(None);
                senders.push(None);
                continue;
            }
            let (events, received) = mpsc::channel(EVENT_QUEUE);
            let lane = Arc::new(Lane::new(Arc::clone(&dropped)));
            let dialler = dial::Dialler {
                identity: Arc::clone(&identity),
                peer: id,
                address,
                lane: Arc::clone(&lane),
                events: events.clone(),
                isolation: isolation.clone(),
            };
            tasks.spawn(dialler.run());
            lanes.push(Some(lane));
            senders.push(Some(events));
            receivers.push((id, received));
        }
        tasks.spawn(accept::run(listener, identity, senders, isolation));
        let peers = Self {
            lanes,
            dropped,
            _tasks: tasks,
        };
        Ok((peers, receivers))
    }

    /// Sends a frame, or drops it when the link is down. A link whose queue is full is cut.
    pub fn send(&self, parcel: Parcel) {
        let lane = self.lanes.get(usize::from(parcel.to.0));
        if let Some(lane) = lane.and_then(Option::as_ref) {
            lane.send(parcel.frame, parcel.delay);
        }
    }

    /// Whether the link to a replica stands.
    pub fn is_connected(&self, replica: ReplicaId) -> bool {
        let lane = self.lanes.get(usize::from(replica.0));
        lane.and_then(Option::as_ref)
            .is_some_and(|lane| lane.is_open())
    }

    /// Links that were cut because the peer did not read, since the start.
    pub fn dropped_links(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
