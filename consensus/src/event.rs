//! What happens to a replica.

use std::sync::Arc;

use byzantine_proof::ReplicaId;

use crate::execution::Outcome;
use crate::frame::Frame;
use crate::request::Request;
use crate::shared_frame::SharedFrame;
use crate::signed::Sealed;
use crate::types::Sequence;

/// One input of [`Replica::handle`](crate::Replica::handle).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// This replica's gateway admitted requests.
    Admitted(Vec<Request>),
    /// A frame came over the link of `from`, who was authenticated by its link key.
    Received {
        /// Whose link.
        from: ReplicaId,
        /// What came.
        frame: Frame,
    },
    /// The same, of a frame that other replicas in this process are sent too.
    Shared {
        /// Whose link.
        from: ReplicaId,
        /// What came.
        frame: Arc<SharedFrame>,
    },
    /// This replica's own envelope is durable and on its way: its votes count from now on.
    Sealed(Sealed),
    /// The executor ran a sequence: one outcome per item.
    Executed {
        /// The sequence.
        sequence: Sequence,
        /// The outcomes, in the order of the items.
        outcomes: Vec<Outcome>,
    },
    /// A link to a peer came up.
    Connected(ReplicaId),
    /// The deadline told by [`Replica::next_deadline`](crate::Replica::next_deadline) passed.
    Tick,
}
