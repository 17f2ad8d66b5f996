//! Readiness and status, put together from what the driver, the ledger and the executor say.

use std::sync::Arc;

use byzantine_consensus::{Abstention, Sequence, Standing};
use byzantine_proof::{Membership, ReplicaId};
use tokio::sync::watch;

use crate::config::StateKind;
use crate::driver::Snapshot;
use crate::ledger::Ledger;
use crate::snapshots::Snapshots;
use crate::status::{AppStatus, PastStatus, PeerStatus, Status};
use crate::submission::{AppHealth, Diverged};
use crate::telemetry::Telemetry;

/// Knows what to say about one replica.
pub struct Reporter {
    /// The members.
    pub membership: Arc<Membership>,
    /// This replica.
    pub replica: ReplicaId,
    /// Its ledger.
    pub ledger: Arc<Ledger>,
    /// The snapshots of its app's state.
    pub snapshots: Arc<Snapshots>,
    /// Its app.
    pub health: watch::Receiver<AppHealth>,
    /// What its app keeps.
    pub state: StateKind,
    /// K: a replica that lags by more is not ready.
    pub checkpoint_interval: u64,
}

impl Reporter {
    /// Why the app's process must be started anew, if that helps.
    pub(super) fn app_to_restart(&self) -> Option<String> {
        let health = self.health.borrow();
        let helps = health.diverged == Some(Diverged::Memory);
        helps.then(|| health.detail.clone())
    }

    /// Whether clients should be sent here, and everything that is not as it should be. A missing
    /// quorum is told, and is no reason to send clients elsewhere: there is no elsewhere.
    pub(super) fn readiness(&self, snapshot: &Snapshot) -> (bool, Vec<String>) {
        let Some(standing) = &snapshot.standing else {
            return (
                false,
                vec!["this replica is still reading its journal; wait".to_owned()],
            );
        };
        let mut reasons = Vec::new();
        reasons.extend(self.app_trouble());
        reasons.extend(standing.abstention.map(abstains));
        reasons.extend(self.lag(standing, snapshot));
        let ready = reasons.is_empty();
        reasons.extend(self.missing_quorum(snapshot));
        (ready, reasons)
    }

    /// The whole status.
    pub(super) fn status(&self, snapshot: &Snapshot, telemetry: &Telemetry) -> Status {
        let (ready, reasons) = self.readiness(snapshot);
        let (tip, membership) = (self.ledger.tip(), &self.membership);
        let mut status = Status {
            service: membership.service().to_string(),
            origin: membership.origin().to_string(),
            replica: self.replica.0,
            members: membership.n(),
            quorum: membership.order_quorum(),
            reply_quorum: membership.reply_quorum(),
            fault_tolerance: membership.f(),
            ready,
            reasons,
            settled_sequence: tip.sequence.0,
            ledger_size: tip.frontier.size(),
            ledger_root: tip.frontier.root().to_base64(),
            ordinal: tip.ordinal,
            app: self.app(),
            past: self.past(),
            peers: peers(snapshot),
            counters: telemetry.counters(),
            observations: telemetry.observations(),
            divergences: telemetry.divergences(),
            ..Status::default()
        };
        if let Some(standing) = &snapshot.standing {
            status.view = standing.view.0;
            status.primary = standing.primary.0;
            status.in_view_change = standing.changing;
            status.executed_sequence = standing.executed.0;
            status.stable_checkpoint_sequence = standing.stable.0;
        }
        status
    }

    fn past(&self) -> PastStatus {
        let report = self.snapshots.report();
        PastStatus {
            first_bodies: self.ledger.first_bodies().0,
            snapshot_sequence: report.newest.map(|(sequence, _)| sequence.0),
            snapshot_bytes: report.newest.map_or(0, |(_, bytes)| bytes),
            restored_sequence: report.restored.map(|sequence| sequence.0),
            replayed_calls: report.replayed,
            trouble: report.trouble,
        }
    }

    fn app(&self) -> AppStatus {
        let health = self.health.borrow();
        AppStatus {
            healthy: health.healthy,
            state: format!("{:?}", self.state),
            diverged: health.diverged.is_some(),
            data_differ: health.diverged == Some(Diverged::Data),
            detail: health.detail.clone(),
        }
    }

    fn app_trouble(&self) -> Option<String> {
        let health = self.health.borrow();
        let what = if health.diverged.is_some() {
            "the app's state is not what was agreed on"
        } else if health.rebuilding {
            "the app is being brought up to date"
        } else if health.healthy {
            return None;
        } else {
            "the app does not answer"
        };
        let detail = Some(health.detail.as_str()).filter(|detail| !detail.is_empty());
        Some(detail.map_or_else(|| what.to_owned(), |detail| format!("{what}: {detail}")))
    }

    /// Lag behind what at least one correct replica has: f liars cannot invent it.
    fn lag(&self, standing: &Standing, snapshot: &Snapshot) -> Option<String> {
        let mut certified: Vec<Sequence> = snapshot
            .peers
            .iter()
            .map(|peer| peer.report.certified)
            .collect();
        certified.sort_unstable_by(|left, right| right.cmp(left));
        let reached = *certified.get(self.membership.f())?;
        let lag = reached.0.saturating_sub(standing.certified.0);
        let lags = lag > self.checkpoint_interval;
        lags.then(|| format!("{lag} sequences behind the others; catching up, wait"))
    }

    fn missing_quorum(&self, snapshot: &Snapshot) -> Option<String> {
        let connected = snapshot.peers.iter().filter(|peer| peer.connected).count();
        let (reached, quorum) = (connected + 1, self.membership.order_quorum());
        let missing = reached < quorum;
        missing.then(|| {
            format!(
                "only {reached} of {} replicas are linked, {quorum} are needed to answer; start \
                 the others or repair the network",
                self.membership.n()
            )
        })
    }
}

fn peers(snapshot: &Snapshot) -> Vec<PeerStatus> {
    let peers = snapshot.peers.iter();
    let peers = peers.map(|peer| PeerStatus {
        replica: peer.replica.0,
        connected: peer.connected,
        executed_sequence: peer.report.executed.0,
        view: peer.report.view.0,
    });
    peers.collect()
}
/// Not ready while it abstains: it is one of the f faults until it votes again.
fn abstains(abstention: Abstention) -> String {
    let until = match abstention {
        Abstention::Unbounded => "it waits to hear from a quorum of others".to_owned(),
        Abstention::Until { sequence, .. } => {
            format!("it votes again once the stable checkpoint has passed sequence {sequence}")
        }
    };
    format!("this replica lost its votes and abstains; {until}")
}
