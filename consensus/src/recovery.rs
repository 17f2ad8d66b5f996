//! Being, after a crash, who one was before.
//!
//! Votes are restored from the log as they were sent, never cast anew; so a replica that
//! restarts does not contradict itself. What the log does not have, STATUS brings.

use std::collections::BTreeMap;

use bytes::Bytes;
use byzantine_proof::ReplicaId;

use crate::batch::KnownBatch;
use crate::certificate::{CommitCertificate, PreparedCertificate};
use crate::config::{LedgerState, Recovered};
use crate::effect::Effects;
use crate::execution::Outcome;
use crate::key_table::KeyTable;
use crate::message::{Message, ResultVote};
use crate::record::Record;
use crate::replica::Replica;
use crate::request::KnownRequest;
use crate::sabotage::{Bug, is_on};
use crate::signed::{SignedMessage, Verified, open, open_one};
use crate::slot::Slot;
use crate::types::{Sequence, View};

impl Replica {
    /// Takes up the ledger's state, then every record above it.
    pub(crate) fn recover(&mut self, recovered: Recovered, effects: &mut Effects) {
        let Recovered { ledger, records } = recovered;
        self.take_up_ledger(ledger);
        // What the replayed handlers want done was done before the crash, or is repeated below.
        let mut done = Effects::default();
        for record in records {
            if let Record::Executed(sequence, results) = record {
                self.recorded.insert(sequence, results);
            } else {
                self.replay(record, &mut done);
            }
        }
        self.recorded = self.recorded.split_off(&self.certified.next());
        self.forget_settled();
        self.dispatch_committed(effects);
        self.rename_requests();
        let needed = self.needed();
        let keys = &self.keys;
        self.pool
            .drop_idle(|id| needed.contains(id) || keys.answered(id).is_none());
    }

    fn take_up_ledger(&mut self, ledger: LedgerState) {
        let LedgerState {
            sequence,
            time,
            ordinal,
            frontier,
            certified,
            forgotten,
            keys,
            stable,
        } = ledger;
        debug_assert!(
            certified <= sequence,
            "the ledger holds only what is certified"
        );
        (self.dispatched, self.executed, self.settled) = (sequence, sequence, sequence);
        (self.certified, self.time, self.ordinal) = (sequence, time, ordinal);
        self.frontier = frontier;
        self.keys = KeyTable::new(self.config.gateway_keys, forgotten);
        for key in keys.into_iter().filter(|_| !is_on(Bug::KeysForgotten)) {
            self.keys.insert(key);
        }
        if let Some(certificate) = stable {
            self.move_watermark(certificate.certificate.sequence, certificate);
        }
        self.next_sequence = self.next_sequence.max(sequence.next());
    }

    fn replay(&mut self, record: Record, done: &mut Effects) {
        match record {
            Record::Requests(gateway, requests) => {
                let gateway = ReplicaId(gateway);
                self.restore_bodies(gateway, &requests);
            }
            Record::Batch(bytes) => {
                let batch = KnownBatch::parse(&bytes);
                if let Some(batch) = batch.filter(|batch| batch.sequence > self.stable) {
                    self.batches.insert(batch.digest, batch);
                }
            }
            Record::Own(envelope) => {
                let opened = open(&self.origin, &envelope, self.authority.as_ref());
                for message in opened.unwrap_or_default() {
                    self.replay_message(&message, done);
                }
            }
            Record::Accepted(signed) => {
                if let Ok(message) = open_one(&self.origin, &signed, self.authority.as_ref()) {
                    self.replay_message(&message, done);
                }
            }
            Record::Prepared(certificate) => self.replay_prepared(certificate),
            Record::Committed(certificate) => self.replay_committed(certificate),
            Record::Executed(..) => {}
            Record::Abstaining(abstention) => self.abstention = Some(abstention),
            Record::Stable(certificate) => {
                let sequence = certificate.certificate.sequence;
                if sequence > self.stable && sequence <= self.certified {
                    self.move_watermark(sequence, *certificate);
                }
            }
        }
    }

    /// Own messages restore what was said; the handlers do the rest, as when they were new.
    fn replay_message(&mut self, message: &Verified<Message>, done: &mut Effects) {
        if message.sender() == self.config.replica {
            self.restore_vote(message.body());
            match message.body() {
                Message::Suspect(suspicion) => {
                    self.suspected = self.suspected.max(Some(suspicion.view));
                }
                Message::ViewChange(vote) => self.restore_view_change(vote.view),
                Message::NewView(vote) => {
                    self.new_view_sent = self.new_view_sent.max(Some(vote.view));
                }
                Message::Promise(promise) => {
                    if let Ok(slot) = self.slot_mut(promise.sequence) {
                        slot.promised = true;
                    }
                }
                Message::Requests { requests, .. } => {
                    self.restore_bodies(self.config.replica, requests);
                }
                Message::Status(_) => return,
                _ => {}
            }
        }
        self.on_message(message, done);
    }

    /// No quota: all of them were here before the crash. Those that were answered stay only where a
    /// batch names them again.
    fn restore_bodies(&mut self, by: ReplicaId, requests: &[Bytes]) {
        for request in requests.iter().filter_map(KnownRequest::parse) {
            let id = request.id;
            self.pool.insert(request, by, self.now.monotonic);
            if self.keys.answered(&id).is_some() {
                self.pool.mark_answered(&id);
            }
        }
    }

    /// What the ledger has is done with, refusals too, which leave nothing in the table of keys.
    fn forget_settled(&mut self) {
        let settled = self.slots.range(..=self.dispatched);
        let committed = settled.filter_map(|(_, slot)| slot.committed.as_ref());
        let batches = committed.filter_map(|it| self.batches.get(&it.vote.digest));
        let named = batches.flat_map(|batch| batch.requests.iter().copied());
        for id in named.filter(|id| !self.is_needed(id)).collect::<Vec<_>>() {
            self.pool.remove(&id);
        }
    }

    fn restore_view_change(&mut self, view: View) {
        self.view_change_sent = self.view_change_sent.max(Some(view));
        if view > self.view {
            (self.view, self.changing, self.new_view) = (view, true, None);
            self.required.clear();
            self.await_view_changes();
        }
    }

    fn replay_prepared(&mut self, certificate: PreparedCertificate) {
        let Ok(vote) = certificate.check(self.judge()) else {
            return;
        };
        if let Ok(slot) = self.slot_mut(vote.sequence)
            && slot
                .prepared
                .as_ref()
                .is_none_or(|(before, _)| before.view < vote.view)
        {
            slot.prepared = Some((vote, certificate));
        }
    }

    fn replay_committed(&mut self, certificate: CommitCertificate) {
        if let Ok(slot) = self.slot_mut(certificate.vote.sequence) {
            slot.committed = Some(certificate);
        }
    }

    /// Runs above the ledger start again; those with recorded outcomes keep them, whether their
    /// batch is handed over now or only once a peer has supplied what the log lacks of it.
    pub(crate) fn take_recorded(
        &mut self,
        sequence: Sequence,
        effects: &mut Effects,
    ) -> Option<Vec<Outcome>> {
        let recorded = self.recorded.remove(&sequence)?;
        if is_on(Bug::OutcomesForgotten) {
            return None;
        }
        if !self.note_executed(sequence, recorded.clone()) {
            return None;
        }
        self.repeat_result(sequence, &recorded, effects);
        Some(recorded)
    }

    /// The outcomes were durable but their RESULT was torn off with the end of the log.
    fn repeat_result(&self, sequence: Sequence, outcomes: &[Outcome], effects: &mut Effects) {
        let slot = self.slots.get(&sequence);
        if slot.is_some_and(|slot| !slot.results.contains_key(&self.config.replica)) {
            let leaves = outcomes.iter().map(Outcome::leaf_hash).collect();
            effects
                .messages
                .push(Message::Result(ResultVote { sequence, leaves }));
        }
    }

    fn rename_requests(&mut self) {
        let above = self.batches.values();
        self.named = above
            .flat_map(|batch| batch.requests.iter().copied())
            .collect();
        let open = self.slots.range(self.dispatched.next()..);
        let accepted = open.filter_map(|(_, slot)| slot.digest());
        let accepted = accepted.filter_map(|digest| self.batches.get(&digest));
        let proposed = accepted
            .flat_map(|batch| batch.requests.iter().copied())
            .collect();
        self.pool.enter_view(&proposed, self.now.monotonic);
        self.next_sequence = self.next_sequence.max(self.fresh_above.next());
    }

    /// Records from which [`Replica::new`] makes this replica again, given the ledger.
    pub fn journal_base(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let stable = self.stable_certificate.clone();
        records.extend(stable.map(|certificate| Record::Stable(Box::new(certificate))));
        records.extend(self.abstention.map(Record::Abstaining));
        records.extend(self.new_view.clone().map(Record::Accepted));
        self.request_records(&mut records);
        records.extend(
            self.batches
                .values()
                .map(|batch| Record::Batch(batch.bytes.clone())),
        );
        let recorded = self.recorded.iter();
        records.extend(recorded.map(|(at, outcomes)| Record::Executed(*at, outcomes.clone())));
        for (sequence, slot) in &self.slots {
            self.slot_records(*sequence, slot, &mut records);
        }
        let own = self.config.replica;
        let suspicion = self.suspicions.get(&own).map(|vote| vote.signed().clone());
        let view_change = self
            .view_changes
            .get(&own)
            .map(|vote| vote.signed().clone());
        records.extend(
            suspicion
                .into_iter()
                .chain(view_change)
                .map(Record::Accepted),
        );
        records
    }

    /// Bodies first, then the words for them, each once.
    fn request_records(&self, records: &mut Vec<Record>) {
        let mut words = BTreeMap::new();
        for (by, request, admissions) in self.pool.iter() {
            records.push(Record::Requests(by.0, vec![request.bytes.clone()]));
            for word in admissions.values().filter_map(|word| word.signed.as_ref()) {
                words.insert((word.sender, word.message.clone()), word);
            }
        }
        for ran in self.ran.values() {
            let own = self.config.replica.0;
            records.push(Record::Requests(own, vec![ran.request.bytes.clone()]));
        }
        let words = words.into_values();
        records.extend(words.map(|word| Record::Accepted(SignedMessage::clone(word))));
    }

    fn slot_records(&self, sequence: Sequence, slot: &Slot, records: &mut Vec<Record>) {
        let own = self.config.replica;
        let votes = [
            slot.pre_prepare.as_ref(),
            slot.prepares.of(own),
            slot.commits.of(own),
        ];
        let votes = votes
            .into_iter()
            .flatten()
            .map(|vote| vote.signed().clone());
        // Where own leaves are attested, those of the others that they rest on as well.
        let settled = slot.run.as_ref().is_some_and(|run| run.settled.is_some());
        let results = slot.results.values().chain(slot.second_results.values());
        let result = results.filter(|vote| settled || vote.sender() == own);
        let result = result.map(|vote| vote.signed().clone());
        let attestation = slot
            .attestations
            .get(&own)
            .map(|vote| vote.signed().clone());
        let promise = slot.promises.get(&own).map(|vote| vote.signed().clone());
        let said = votes.chain(result).chain(attestation).chain(promise);
        records.extend(said.map(Record::Accepted));
        let prepared = slot
            .prepared
            .as_ref()
            .map(|(_, certificate)| certificate.clone());
        records.extend(prepared.map(Record::Prepared));
        records.extend(slot.committed.clone().map(Record::Committed));
        let outcomes = slot.run.as_ref().and_then(|run| run.outcomes.clone());
        records.extend(outcomes.map(|outcomes| Record::Executed(sequence, outcomes)));
    }
}
