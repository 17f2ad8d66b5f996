//! The driver's part of state transfer: parcels in and out, a ledger that moves without the core,
//! and the bodies that nobody needs any more.
//!
//! While the ledger moves the core rests: it is told nothing and says nothing. Then it is made
//! anew from the ledger and from what its journal would hold, as after a restart; so it keeps every
//! vote that it has cast.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

use byzantine_consensus::{
    Certificate, Effects, Frame, LedgerState, Recovered, Replica, Sequence, Settlement, UnixMillis,
};
use byzantine_proof::ReplicaId;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Driver, time};
use crate::courier::{Order, StateParcel};
use crate::driver::admission::Admission;
use crate::error::SidecarError;
use crate::ledger::{Dispensable, LedgerError};
use crate::snapshots::Snapshots;

/// Which bodies may be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replays {
    /// The app has no state: none is ever needed again.
    Never,
    /// Those that the older one of two snapshots covers are not needed again.
    FromSnapshots,
    /// Every call may be needed again.
    All,
}

/// What is kept, for whom and how long.
pub struct Retained {
    /// Snapshots of the app's state.
    pub snapshots: Arc<Snapshots>,
    /// Which bodies may be dropped at all.
    pub replays: Replays,
    /// And after how long, in agreed time.
    pub keep_bodies: Duration,
}

impl Driver {
    /// A parcel for the courier; what it has no room for is asked for again.
    pub(super) fn pass_on(&self, from: ReplicaId, parcel: Bytes, room: OwnedSemaphorePermit) {
        let _ = self.courier.try_send((from, parcel, room));
    }

    /// Answers a peer that lags; one that asks for what is not kept is told so.
    pub(super) fn supply_entries(
        &mut self,
        to: ReplicaId,
        first: Sequence,
    ) -> Result<(), SidecarError> {
        let frame = match self.ledger.supply(first) {
            Ok(entries) if entries.is_empty() => return Ok(()),
            Ok(entries) => Frame::Supply(byzantine_consensus::Supply::Entries(entries)),
            Err(LedgerError::Pruned { first, .. }) => {
                let first = Sequence(first);
                Frame::State(StateParcel::Bodies { first }.encode())
            }
            Err(error) => return Err(error.into()),
        };
        self.send(&[], &[], &[], &[(to, frame)]);
        Ok(())
    }

    /// Does what the courier asks for.
    pub(super) fn obey(&mut self, order: Order, effects: &mut Effects) -> Result<(), SidecarError> {
        match order {
            Order::Send(to, parcel) => {
                let frame = Frame::State(parcel.encode());
                self.send(&[], &[], &[], &[(to, frame)]);
                Ok(())
            }
            Order::Suspend(answer) => self.suspend(answer, effects),
            Order::Append {
                settlements,
                checkpoint,
                done,
            } => self.append_followed(&settlements, &checkpoint, done),
            Order::Resume => self.resume(effects),
        }
    }

    fn suspend(
        &mut self,
        answer: oneshot::Sender<LedgerState>,
        effects: &mut Effects,
    ) -> Result<(), SidecarError> {
        if !self.suspended {
            // What was decided until now is done before the ledger moves.
            *effects = self.release(std::mem::take(effects))?;
            while !effects.is_empty() {
                *effects = self.release(std::mem::take(effects))?;
            }
            self.suspended = true;
            self.undelivered.clear();
            // Whoever waits retries elsewhere: here nothing is answered for a while.
            self.admission = Admission::default();
        }
        // A courier that has gone needs no answer.
        let _ = answer.send(self.ledger.recovered()?);
        Ok(())
    }

    fn append_followed(
        &self,
        settlements: &[Settlement],
        checkpoint: &Certificate,
        done: oneshot::Sender<()>,
    ) -> Result<(), SidecarError> {
        self.ledger.append_bare(settlements, checkpoint)?;
        self.announce_checkpoint();
        let _ = done.send(());
        Ok(())
    }

    /// The core as after a restart, on the ledger as it is now.
    fn resume(&mut self, effects: &mut Effects) -> Result<(), SidecarError> {
        let recovered = Recovered {
            ledger: self.ledger.recovered()?,
            records: self.replica.journal_base(),
        };
        let (config, authority) = (self.config.clone(), self.authority.clone());
        self.history.start_over();
        let now = time(self.started);
        self.replica = Replica::new(config, authority, recovered, now, effects);
        self.suspended = false;
        self.journal.compact(&self.replica.journal_base())
    }

    /// Drops bodies that are old enough and needed by no replay; a little at a time, after every
    /// stable checkpoint.
    pub(super) fn prune(&self) -> Result<(), SidecarError> {
        let tip = self.ledger.tip();
        let upto = match self.retained.replays {
            Replays::Never => Some(tip.sequence),
            Replays::FromSnapshots => self.retained.snapshots.covered(),
            Replays::All => None,
        };
        let kept = u64::try_from(self.retained.keep_bodies.as_millis()).unwrap_or(u64::MAX);
        let before = UnixMillis(tip.time.0.saturating_sub(kept));
        let Some(upto) = upto else {
            return Ok(());
        };
        let interval = self.config.checkpoint_interval;
        self.ledger.prune(Dispensable {
            upto: upto.min(tip.sequence),
            before,
            interval,
        })?;
        Ok(())
    }
}
