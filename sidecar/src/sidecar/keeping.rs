//! What a sidecar keeps, how long, and who brings over what is not kept.

use std::sync::Arc;
use std::time::Duration;

use byzantine_consensus::Retention;
use tokio::sync::mpsc;

use super::Foundation;
use crate::config::StateKind;
use crate::courier::{Courier, CourierParts, Delivered, Order};
use crate::driver::{Replays, Retained};
use crate::ledger::Ledger;
use crate::snapshots::Snapshots;

/// How long an answer belongs to a key that a gateway made.
const GATEWAY_KEY_RETENTION: Duration = Duration::from_mins(10);

impl Foundation {
    pub(super) fn courier(
        &self,
        ledger: &Arc<Ledger>,
        snapshots: &Arc<Snapshots>,
    ) -> (Courier, mpsc::Sender<Delivered>, mpsc::Receiver<Order>) {
        Courier::new(CourierParts {
            membership: Arc::clone(&self.membership),
            replica: self.replica,
            authority: Arc::new(self.authority()),
            interval: self.config.consensus.checkpoint_interval,
            retention: self.retention(),
            ledger: Arc::clone(ledger),
            snapshots: Arc::clone(snapshots),
        })
    }

    /// A key that nobody but a gateway knows is not worth more than one that a client chose.
    pub(super) fn retention(&self) -> Retention {
        let client = self.config.http.key_retention;
        Retention {
            client,
            gateway: GATEWAY_KEY_RETENTION.min(client),
            gateway_keys: self.config.http.gateway_keys,
        }
    }

    /// As long as a key is remembered, its answer may be asked for.
    fn keep_bodies(&self) -> Duration {
        let kept = self.config.storage.keep_bodies;
        kept.max(self.config.http.key_retention)
    }

    fn replays(&self) -> Replays {
        let state = &self.config.app.state;
        match (state.kind, &state.snapshot_path) {
            (StateKind::None, _) => Replays::Never,
            (_, Some(_)) => Replays::FromSnapshots,
            (_, None) => Replays::All,
        }
    }

    pub(super) fn retained(&self, snapshots: Arc<Snapshots>) -> Retained {
        Retained {
            snapshots,
            replays: self.replays(),
            keep_bodies: self.keep_bodies(),
        }
    }
}
