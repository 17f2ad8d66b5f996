//! HEARTBEAT: null batches for a replica that waits for the order to move. (docs/protocol.md)
//!
//! An idle service has no checkpoints to come; one that abstains would wait for ever. The
//! primary gives every replica a bounded number, so that a liar cannot fill the ledger.

use std::time::Duration;

use byzantine_proof::ReplicaId;

use crate::batch::Batch;
use crate::effect::Effects;
use crate::limits::{HEARTBEAT_PERIOD, HEARTBEAT_WINDOWS};
use crate::replica::Replica;

/// Null batches that a replica was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heartbeats {
    since: Duration,
    given: u64,
}

impl Replica {
    /// Proposes a null batch when nothing else is under way and a replica waits for one.
    pub(crate) fn beat(&mut self, effects: &mut Effects) {
        let idle = self.dispatched.next() == self.next_sequence && self.pool.unproposed() == 0;
        let room = self.next_sequence <= self.last_for_requests();
        if !self.may_lead() || !idle || !room {
            return;
        }
        let Some(replica) = self.whose_turn() else {
            return;
        };
        let now = self.now.monotonic;
        let fresh = Heartbeats {
            since: now,
            given: 0,
        };
        let beats = self.heartbeats.entry(replica).or_insert(fresh);
        if now >= beats.since + HEARTBEAT_PERIOD {
            *beats = fresh;
        }
        beats.given += 1;
        let sequence = self.next_sequence;
        self.pre_prepare(Batch::null(sequence), effects);
        self.next_sequence = sequence.next();
    }

    /// A replica that waits for a sequence at or above the next one, and has not had its share.
    fn whose_turn(&self) -> Option<ReplicaId> {
        let share = HEARTBEAT_WINDOWS * self.window();
        let now = self.now.monotonic;
        let entitled = |replica: &ReplicaId| {
            let beats = self.heartbeats.get(replica);
            beats.is_none_or(|beats| beats.given < share || now >= beats.since + HEARTBEAT_PERIOD)
        };
        let waiting = self.peers.iter();
        let mut waiting = waiting.filter(|(_, report)| report.awaits >= self.next_sequence);
        let found = waiting.find(|(replica, _)| entitled(replica));
        found.map(|(replica, _)| *replica)
    }
}
