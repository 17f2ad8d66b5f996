//! The second half of a tick: what was decided becomes durable and leaves.

use bytes::Bytes;
use byzantine_consensus::{
    Certificate, Effects, Envelope, Event, Execution, Frame, Message, Released, Sequence,
    Settlement,
};
use byzantine_proof::ReplicaId;
use tokio::sync::mpsc::error::TrySendError;

use super::Driver;
use crate::error::SidecarError;
use crate::interposer::Outbound;

impl Driver {
    /// Makes effects durable, sends, and hands over; returns what own votes brought about.
    pub(super) fn release(&mut self, effects: Effects) -> Result<Effects, SidecarError> {
        self.deliver(Vec::new());
        if effects.is_empty() {
            return Ok(Effects::default());
        }
        let mut released = self.replica.commit(effects, &mut self.journal)?;
        let compaction = released.compaction.take();
        if let Some(compaction) = &compaction {
            // Votes in the window that a checkpoint opens leave after what opened it is durable:
            // who restarts with an older ledger has an older window, and would not know them.
            self.hand_over(&mut released)?;
            self.make_durable(compaction.stable)?;
        }
        let Released {
            envelopes,
            messages,
            batches,
            direct,
            ..
        } = &released;
        self.send(messages, envelopes, batches, direct);
        let mut next = Effects::default();
        for sealed in std::mem::take(&mut released.sealed) {
            self.step(Event::Sealed(sealed), &mut next);
        }
        match compaction {
            None => self.hand_over(&mut released)?,
            Some(compaction) => self.journal.compact(&compaction.base)?,
        }
        for notice in released.notices {
            if let Some(sequence) = self.notices.take(notice) {
                self.diverged.send_replace(Some(sequence));
            }
        }
        Ok(next)
    }

    /// Gives the app what it is to run, and the ledger what was settled.
    fn hand_over(&mut self, released: &mut Released) -> Result<(), SidecarError> {
        self.deliver(std::mem::take(&mut released.executions));
        self.settle(&released.settlements, &released.certificates)
    }

    pub(super) fn send(
        &self,
        messages: &[Vec<Message>],
        envelopes: &[Envelope],
        batches: &[Bytes],
        direct: &[(ReplicaId, Frame)],
    ) {
        if envelopes.is_empty() && direct.is_empty() {
            return;
        }
        let seal = |messages: &[Message]| {
            Envelope::seal(&self.origin, self.own, messages, self.authority.as_ref())
        };
        let parcels = self.interposer.outbound(&Outbound {
            peers: &self.others,
            messages,
            envelopes,
            batches,
            direct,
            seal: &seal,
        });
        for parcel in parcels {
            self.peers.send(parcel);
        }
    }

    /// Hands executions to the executor in order, as far as its queue has room.
    fn deliver(&mut self, executions: Vec<Execution>) {
        for execution in &executions {
            self.history.dispatched(execution);
        }
        self.undelivered.extend(executions);
        while let Some(next) = self.undelivered.pop_front() {
            // A closed queue means that the executor has stopped, and this replica is about to.
            if let Err(TrySendError::Full(next)) = self.executions.try_send(next) {
                self.undelivered.push_front(next);
                break;
            }
        }
    }

    /// Writes to the ledger, then answers whoever waits for what is certified now.
    fn settle(
        &mut self,
        settlements: &[Settlement],
        certificates: &[Certificate],
    ) -> Result<(), SidecarError> {
        self.ledger.append(settlements, certificates)?;
        for settlement in settlements {
            self.history.settled(settlement.sequence);
            self.admission.settle(self.own, settlement);
        }
        if certificates.is_empty() {
            return Ok(());
        }
        let ledger = &self.ledger;
        let replied = self
            .admission
            .certify(|answer, position| ledger.prove(answer, position))?;
        self.telemetry
            .count(|counters| counters.answered += replied);
        self.announce_checkpoint();
        Ok(())
    }

    pub(super) fn announce_checkpoint(&self) {
        let newest = self.ledger.latest_checkpoint();
        let note = newest.map(|signed| signed.note().to_string());
        self.announce.send_replace(note);
    }

    /// At a stable checkpoint the ledger is made durable; then the journal needs nothing before.
    /// What was pruned is durable with it, too.
    fn make_durable(&mut self, stable: Sequence) -> Result<(), SidecarError> {
        self.prune()?;
        Ok(self.ledger.make_durable(Some(stable))?)
    }
}
