//! Everything that comes to the driver, each source with a queue and a share of its own.

use std::future::poll_fn;
use std::task::{Context, Poll};

use byzantine_consensus::{Outcome, Sequence};
use byzantine_proof::ReplicaId;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::courier::Order;
use crate::peers::{PeerEvent, PeerEvents};
use crate::submission::Submission;

/// What one tick takes from each source, so that a flood from one leaves room for the others.
const PEER_SHARE: usize = 64;
const SUBMISSION_SHARE: usize = 512;
const OUTCOME_SHARE: usize = 64;
const ORDER_SHARE: usize = 16;

/// The sources.
pub(super) struct Inbox {
    pub(super) peers: PeerEvents,
    pub(super) submissions: mpsc::Receiver<Submission>,
    pub(super) outcomes: mpsc::Receiver<(Sequence, Vec<Outcome>)>,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Closed when the driver shall stop.
    pub(super) stop: mpsc::Receiver<()>,
}

/// What came since the last tick.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) peers: Vec<(ReplicaId, Vec<PeerEvent>)>,
    pub(super) submissions: Vec<Submission>,
    pub(super) outcomes: Vec<(Sequence, Vec<Outcome>)>,
    pub(super) orders: Vec<Order>,
    pub(super) stop: bool,
}

impl Inputs {
    fn is_empty(&self) -> bool {
        let quiet = self.peers.is_empty() && self.submissions.is_empty();
        quiet && self.outcomes.is_empty() && self.orders.is_empty() && !self.stop
    }
}

impl Inbox {
    /// What there is, after waiting until `deadline` if there is nothing.
    pub(super) async fn wait(&mut self, deadline: Instant, stopping: bool) -> Inputs {
        let some = poll_fn(|context| {
            let inputs = self.collect(context, stopping);
            if inputs.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(inputs)
            }
        });
        // Work is bounded by the shares; tokio's own budget would only split ticks.
        let some = tokio::task::coop::unconstrained(some);
        timeout_at(deadline, some).await.unwrap_or_default()
    }

    /// What there is now.
    pub(super) async fn take(&mut self, stopping: bool) -> Inputs {
        let now = poll_fn(|context| Poll::Ready(self.collect(context, stopping)));
        tokio::task::coop::unconstrained(now).await
    }

    fn collect(&mut self, context: &mut Context<'_>, stopping: bool) -> Inputs {
        let mut inputs = Inputs::default();
        for (peer, events) in &mut self.peers {
            let taken = drain(events, context, PEER_SHARE);
            if !taken.is_empty() {
                inputs.peers.push((*peer, taken));
            }
        }
        inputs.submissions = drain(&mut self.submissions, context, SUBMISSION_SHARE);
        inputs.outcomes = drain(&mut self.outcomes, context, OUTCOME_SHARE);
        inputs.orders = drain(&mut self.orders, context, ORDER_SHARE);
        // Told once; afterwards the closed channel would be ready for ever.
        inputs.stop = !stopping && self.stop.poll_recv(context).is_ready();
        inputs
    }
}

fn drain<T>(queue: &mut mpsc::Receiver<T>, context: &mut Context<'_>, share: usize) -> Vec<T> {
    let mut taken = Vec::new();
    // A closed queue is an empty one: its senders are gone, and the driver goes on without.
    let _ = queue.poll_recv_many(context, &mut taken, share);
    taken
}
