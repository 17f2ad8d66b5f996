//! Where the replica stands, for the admin server: renewed some twenty times a second at most.

use std::time::Instant;

use byzantine_consensus::{Standing, StatusReport};
use byzantine_proof::ReplicaId;

use super::Driver;
use crate::telemetry::integer;

/// One look at the replica.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The core's own account; `None` before it has recovered.
    pub standing: Option<Standing>,
    /// The other replicas.
    pub peers: Vec<Neighbour>,
    /// Requests for which a client of this gateway waits.
    pub awaited: usize,
    /// When this was taken; `None` before the first time.
    pub taken: Option<Instant>,
}

/// Another replica as seen from here.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour {
    /// Which one.
    pub replica: ReplicaId,
    /// Whether frames reach it.
    pub connected: bool,
    /// What it last said of itself.
    pub report: StatusReport,
}

impl Driver {
    pub(super) fn publish(&mut self) {
        self.published = Instant::now();
        let standing = self.replica.standing();
        let others = self.others.iter();
        let peers: Vec<Neighbour> = others.map(|peer| self.neighbour(*peer)).collect();
        let connected = peers.iter().filter(|peer| peer.connected).count();
        let awaited = self.admission.awaited();
        self.gauge(&standing, connected);
        self.snapshot.send_replace(Snapshot {
            standing: Some(standing),
            peers,
            awaited,
            taken: Some(self.published),
        });
    }

    fn neighbour(&self, replica: ReplicaId) -> Neighbour {
        let report = self.replica.peers().get(&replica);
        Neighbour {
            replica,
            connected: self.peers.is_connected(replica),
            report: report.copied().unwrap_or_default(),
        }
    }

    fn gauge(&self, standing: &Standing, connected: usize) {
        let metrics = self.telemetry.metrics();
        metrics.view.set(integer(standing.view.0));
        metrics.is_primary.set(i64::from(
            standing.primary == self.own && !standing.changing,
        ));
        metrics.peers_connected.set(integer(connected));
        metrics.executed_sequence.set(integer(standing.executed.0));
        metrics
            .stable_checkpoint_sequence
            .set(integer(standing.stable.0));
        let depths = [
            ("waiting", self.admission.waiting()),
            ("abroad", self.admission.abroad()),
            ("executions", self.history.unsettled()),
        ];
        for (queue, depth) in depths {
            let gauge = metrics.queue_depth.with_label_values(&[queue]);
            gauge.set(integer(depth));
        }
        let dropped = self.peers.dropped_links();
        self.telemetry
            .count(|counters| counters.dropped_links = dropped);
    }
}
