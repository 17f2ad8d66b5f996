//! STATUS: everyone says now and then where it stands; whoever can, sends what is missing.
//!
//! It repairs every loss: votes and certificates are resent byte-identical from here, and a
//! replica that fell behind the watermarks fetches certified entries (`catch_up`).

use byzantine_proof::ReplicaId;

use crate::effect::Effects;
use crate::frame::{Frame, Supply};
use crate::limits::{RELAYED_MESSAGES, RESENT_SEQUENCES, STATUS_INTERVAL};
use crate::message::{Message, StatusReport};
use crate::replica::Replica;
use crate::signed::SignedMessage;
use crate::slot::Slot;

impl Replica {
    /// A link came up: say at once where we stand.
    pub(crate) fn on_connected(&mut self, peer: ReplicaId, effects: &mut Effects) {
        self.stalled.insert(peer, true);
        self.peers.remove(&peer);
        self.refusals.connected(peer);
        self.send_status(effects);
    }

    /// The slow tick: tells the others, and asks for what did not come by itself. Once a step:
    /// links come up together, and each of them would have everyone told the same.
    pub(crate) fn send_status(&mut self, effects: &mut Effects) {
        self.status_due = self.now.monotonic + STATUS_INTERVAL;
        let standing = self.report();
        let mut said = effects.messages.iter_mut();
        if let Some(said) = said.find(|message| matches!(message, Message::Status(_))) {
            *said = Message::Status(standing);
            self.last_standing = standing;
            return;
        }
        let stuck = standing == self.last_standing;
        self.last_standing = standing;
        effects.messages.push(Message::Status(standing));
        self.update_subject(effects);
        if stuck {
            self.fetch_missing(effects);
        }
    }

    fn report(&self) -> StatusReport {
        StatusReport {
            view: self.view,
            changing: self.changing,
            stable: self.stable,
            committed: self.dispatched,
            executed: self.executed,
            certified: self.certified,
            suspected: self.suspected,
            awaits: self.awaited(),
        }
    }

    /// A peer that stands where it stood before lacks something: resend what may be it.
    pub(crate) fn on_status(
        &mut self,
        sender: ReplicaId,
        report: StatusReport,
        effects: &mut Effects,
    ) {
        if sender == self.config.replica {
            return;
        }
        let stalled = self.peers.insert(sender, report) == Some(report)
            || self.stalled.remove(&sender).unwrap_or(false);
        if stalled {
            self.resend_view(sender, &report, effects);
            self.resend_votes(sender, &report, effects);
        }
    }

    /// What moves the peer to this replica's view, or to the next.
    fn resend_view(&self, peer: ReplicaId, report: &StatusReport, effects: &mut Effects) {
        let mut resent = Vec::new();
        let behind = report.view < self.view || (report.view == self.view && report.changing);
        if behind && self.changing {
            resent.extend(self.moving());
        } else if behind {
            resent.extend(self.new_view.clone());
        }
        if report.view <= self.view {
            let suspicion = self.suspicions.get(&self.config.replica);
            resent.extend(suspicion.map(|suspicion| suspicion.signed().clone()));
        }
        if !resent.is_empty() {
            effects.direct.push((peer, Frame::Relay(resent)));
        }
    }

    /// Why this replica left the last view: its VIEW-CHANGE, or what others said where it has none.
    /// It moved while it abstained, perhaps as the only one who heard q of them; and it may have
    /// signed another VIEW-CHANGE before it lost its memory, so it must not say its own later on.
    fn moving(&self) -> Vec<SignedMessage> {
        let ours = self.view_changes.get(&self.config.replica);
        match ours.filter(|ours| ours.body().view == self.view) {
            Some(ours) => vec![ours.signed().clone()],
            None => self.moved_by.clone(),
        }
    }

    /// This replica's own votes, and certificates, above what the peer has.
    fn resend_votes(&self, peer: ReplicaId, report: &StatusReport, effects: &mut Effects) {
        let (mut resent, mut batches) = (Vec::new(), Vec::new());
        let above = self
            .slots
            .range(report.certified.min(report.committed).next()..);
        for (sequence, slot) in above.take(RESENT_SEQUENCES) {
            if *sequence > report.committed {
                self.ordering_votes(slot, &mut resent);
                let batch = slot.digest().and_then(|digest| self.batches.get(&digest));
                batches.extend(batch.map(|batch| batch.bytes.clone()));
            }
            if *sequence > report.certified {
                self.result_votes(slot, &mut resent);
            }
        }
        self.checkpoint_votes(report, &mut resent);
        for messages in resent.chunks(RELAYED_MESSAGES) {
            effects.direct.push((peer, Frame::Relay(messages.to_vec())));
        }
        if !batches.is_empty() {
            effects
                .direct
                .push((peer, Frame::Supply(Supply::Batches(batches))));
        }
    }

    fn ordering_votes(&self, slot: &Slot, resent: &mut Vec<SignedMessage>) {
        let own = self.config.replica;
        // The primary's PRE-PREPARE is passed on by all: it may have reached only some.
        resent.extend(slot.pre_prepare.as_ref().map(|vote| vote.signed().clone()));
        if let Some(certificate) = &slot.committed {
            resent.extend(certificate.commits.iter().cloned());
        }
        resent.extend(slot.prepares.of(own).map(|vote| vote.signed().clone()));
        resent.extend(slot.commits.of(own).map(|vote| vote.signed().clone()));
    }

    /// What lets the peer's watermarks move, if a later certificate came before a checkpoint's.
    fn checkpoint_votes(&self, report: &StatusReport, resent: &mut Vec<SignedMessage>) {
        let interval = self.config.checkpoint_interval;
        let passed = self.slots.range(report.stable.next()..);
        let passed = passed.take_while(|(sequence, _)| **sequence <= report.certified);
        let checkpoints = passed.filter(|(sequence, _)| sequence.is_multiple_of(interval));
        let own = checkpoints.filter_map(|(_, slot)| slot.attestations.get(&self.config.replica));
        resent.extend(own.map(|vote| vote.signed().clone()));
    }

    fn result_votes(&self, slot: &Slot, resent: &mut Vec<SignedMessage>) {
        let own = self.config.replica;
        resent.extend(slot.promises.get(&own).map(|vote| vote.signed().clone()));
        let settled = slot.run.as_ref().is_some_and(|run| run.settled.is_some());
        if settled && !slot.promises.is_empty() {
            // Who promised needs the RESULTs of all to see that a RESOLVE is justified.
            let results = slot.results.values();
            resent.extend(results.map(|vote| vote.signed().clone()));
        } else {
            resent.extend(slot.results.get(&own).map(|vote| vote.signed().clone()));
        }
        resent.extend(
            slot.attestations
                .get(&own)
                .map(|vote| vote.signed().clone()),
        );
    }
}
