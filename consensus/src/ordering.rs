//! The three phases: PRE-PREPARE, PREPARE, COMMIT. (OSDI'99 §4.2)
//!
//! Nobody proposes or prepares a request whose body it does not hold durably: bodies are
//! recorded when they arrive, and votes leave only after the records.

use bytes::Bytes;
use byzantine_proof::{Digest, ReplicaId};

use crate::batch::{Batch, KnownBatch};
use crate::certificate::{CommitCertificate, PreparedCertificate};
use crate::effect::{Effects, Notice};
use crate::limits::{BATCH_REQUESTS, FETCH_NAMES, PIPELINE, RESERVED};
use crate::message::{Message, Vote};
use crate::record::Record;
use crate::rejection::Rejection;
use crate::replica::Replica;
use crate::sabotage::{Bug, is_on};
use crate::signed::Verified;
use crate::slot::{Added, Slot};
use crate::types::{Sequence, View};

impl Replica {
    /// Batches that travel beside PRE-PREPAREs or were asked for: kept if a slot names them.
    pub(crate) fn on_batches(&mut self, batches: &[Bytes]) {
        for bytes in batches.iter().take(FETCH_NAMES) {
            let Some(batch) = KnownBatch::parse(bytes) else {
                continue;
            };
            let digest = batch.digest;
            if self.is_named(batch.sequence, &digest) {
                let current = self.is_current(batch.sequence, &digest);
                self.batches.insert(digest, batch);
                self.name_requests(&digest, current);
            }
        }
    }

    fn is_named(&self, sequence: Sequence, digest: &Digest) -> bool {
        let named = self.slots.get(&sequence).and_then(Slot::digest);
        named == Some(*digest) || self.required.get(&sequence) == Some(digest)
    }

    /// The primary gathers requests into batches: at once while little is in flight, in larger
    /// batches while busy.
    pub(crate) fn propose(&mut self, effects: &mut Effects) {
        while self.may_propose() {
            let requests = self.pool.next_batch();
            let admissions = requests.iter().map(|id| self.charged(id)).collect();
            let sequence = self.next_sequence;
            self.last_proposed = self.last_proposed.max(self.now.unix);
            let batch = Batch {
                sequence,
                time: Some(self.last_proposed),
                requests,
                admissions,
                resolutions: Vec::new(),
            };
            let requests = batch.requests.len();
            effects
                .notices
                .push(Notice::Proposed { sequence, requests });
            self.pre_prepare(batch, effects);
            self.next_sequence = sequence.next();
        }
    }

    fn may_propose(&self) -> bool {
        let in_flight = self.next_sequence.0.saturating_sub(self.dispatched.0 + 1);
        let waiting = self.pool.unproposed();
        let busy = in_flight >= PIPELINE as u64 && waiting < BATCH_REQUESTS;
        self.may_lead() && waiting > 0 && !busy && self.next_sequence <= self.last_for_requests()
    }

    /// Whether this replica proposes.
    pub(crate) fn may_lead(&self) -> bool {
        self.is_primary() && !self.changing && self.abstention.is_none()
    }

    /// The end of the window is kept for RESOLVEs.
    pub(crate) fn last_for_requests(&self) -> Sequence {
        Sequence(self.high_watermark().0 - RESERVED.min(self.window() / 2))
    }

    /// Assigns a batch to its sequence in the current view.
    pub(crate) fn pre_prepare(&mut self, batch: Batch, effects: &mut Effects) {
        let batch = KnownBatch::from(batch);
        let (sequence, digest) = (batch.sequence, batch.digest);
        effects.records.push(Record::Batch(batch.bytes.clone()));
        effects.batches.push(batch.bytes.clone());
        self.batches.insert(digest, batch);
        self.name_requests(&digest, true);
        effects.messages.push(Message::PrePrepare(Vote {
            view: self.view,
            sequence,
            digest,
        }));
    }

    /// A backup accepts the primary's assignment of a batch to a sequence. (OSDI'99 §4.2)
    pub(crate) fn on_pre_prepare(
        &mut self,
        message: Verified<Vote>,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let (vote, sender) = (*message.body(), message.sender());
        if sender != vote.view.primary(self.config.membership.n()) {
            return Err(Rejection::NotPrimary);
        }
        self.slot_mut(vote.sequence)?;
        if vote.view != self.view || self.changing {
            return Err(Rejection::WrongView);
        }
        self.require_reproposed(&vote)?;
        let now = self.now;
        let slot = self.slot_mut(vote.sequence)?;
        if is_on(Bug::EarlyCommitRefused) && !slot.commits.is_empty() {
            return Err(Rejection::WrongView);
        }
        if let Some(before) = slot.pre_prepared_in(vote.view) {
            if before.body().digest == vote.digest {
                return Ok(());
            }
            effects.notices.push(Notice::Equivocated {
                replica: sender,
                sequence: vote.sequence,
            });
            return Err(Rejection::Equivocation);
        }
        (slot.pre_prepared_at, slot.received) = (now.monotonic, now.unix);
        slot.declined = false;
        slot.pre_prepare = Some(message);
        self.name_requests(&vote.digest, true);
        Ok(())
    }

    /// In a new view, what its VIEW-CHANGEs left open must be proposed exactly so. (§4.4)
    fn require_reproposed(&self, vote: &Vote) -> Result<(), Rejection> {
        let demanded = self.required.get(&vote.sequence);
        let sound = match demanded {
            Some(digest) => *digest == vote.digest,
            None => vote.sequence > self.fresh_above,
        };
        if sound {
            Ok(())
        } else {
            Err(Rejection::NotReproposed)
        }
    }

    /// Requests named by a batch of this view that is still to run are not proposed again in it.
    fn name_requests(&mut self, digest: &Digest, current: bool) {
        if let Some(batch) = self.batches.get(digest) {
            let current = current && batch.sequence > self.dispatched;
            for id in &batch.requests {
                self.named.insert(*id);
                if current {
                    self.pool.mark_proposed(id);
                    self.pace.note_proposed(id);
                }
            }
        }
    }

    /// Whether a batch is proposed in this view, or demanded by it, or committed. One that an
    /// earlier view left behind will never run: what it names must be proposed again.
    pub(crate) fn is_current(&self, sequence: Sequence, digest: &Digest) -> bool {
        let slot = self.slots.get(&sequence);
        let proposed = slot.and_then(|slot| slot.pre_prepared_in(self.view));
        let committed = slot.and_then(|slot| slot.committed.as_ref());
        proposed.is_some_and(|vote| vote.body().digest == *digest)
            || committed.is_some_and(|certificate| certificate.vote.digest == *digest)
            || self.required.get(&sequence) == Some(digest)
    }

    /// A backup's agreement; the primary's PRE-PREPARE is its own. (OSDI'99 §4.2)
    pub(crate) fn on_prepare(
        &mut self,
        message: Verified<Vote>,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let (vote, sender) = (*message.body(), message.sender());
        if sender == vote.view.primary(self.config.membership.n())
            && !is_on(Bug::PrimaryCountsTwice)
        {
            return Err(Rejection::NotPrimary);
        }
        let slot = self.slot_mut(vote.sequence)?;
        let added = slot.prepares.add(message);
        self.note_missed(&vote);
        self.confront(sender, &vote, effects);
        note_contradiction(added, sender, vote.sequence, effects)
    }

    /// A backup holds a prepared certificate. (OSDI'99 §4.2)
    pub(crate) fn on_commit(
        &mut self,
        message: Verified<Vote>,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let (vote, sender) = (*message.body(), message.sender());
        let slot = self.slot_mut(vote.sequence)?;
        let added = slot.commits.add(message);
        note_contradiction(added, sender, vote.sequence, effects)
    }

    /// Whoever prepares another batch than the primary gave us was given another one, or lies.
    /// Showing him ours lets him convict the primary; one signed pair is enough.
    fn confront(&mut self, sender: ReplicaId, vote: &Vote, effects: &mut Effects) {
        let Ok(slot) = self.slot_mut(vote.sequence) else {
            return;
        };
        let ours = slot.pre_prepared_in(vote.view);
        let ours = ours.filter(|ours| ours.body().digest != vote.digest);
        let Some(signed) = ours.map(|ours| ours.signed().clone()) else {
            return;
        };
        if slot.confronted.insert(sender) {
            let relay = crate::frame::Frame::Relay(vec![signed]);
            effects.direct.push((sender, relay));
        }
    }

    /// Sends every PREPARE and COMMIT that is due, in order of sequence.
    pub(crate) fn vote_where_possible(&mut self, effects: &mut Effects) {
        let open: Vec<Sequence> = self.open_sequences().collect();
        for sequence in open {
            self.prepare_if_possible(sequence, effects);
            self.commit_if_prepared(sequence, effects);
            self.note_committed(sequence, effects);
        }
    }

    /// Sequences between the watermarks that are not handed over yet or not committed in the
    /// current view: a new view re-runs the phases even of what is committed here, since
    /// others may need the votes.
    fn open_sequences(&self) -> impl Iterator<Item = Sequence> + '_ {
        self.slots.iter().filter_map(|(sequence, slot)| {
            let proposed = slot.pre_prepared_in(self.view).is_some();
            let voted = slot.commit_sent == Some(self.view);
            (slot.committed.is_none() || (proposed && !voted)).then_some(*sequence)
        })
    }

    fn prepare_if_possible(&mut self, sequence: Sequence, effects: &mut Effects) {
        if self.changing || self.is_primary() {
            return;
        }
        let Some(vote) = self.preparable(sequence) else {
            return;
        };
        if !self.time_is_acceptable(&vote, effects) || !self.batch_is_acceptable(&vote, effects) {
            return;
        }
        if let Some(batch) = self.batches.get(&vote.digest) {
            effects.records.push(Record::Batch(batch.bytes.clone()));
        }
        let slot = self.slots.get(&sequence);
        let accepted = slot.and_then(|slot| slot.pre_prepared_in(vote.view));
        let accepted = accepted.map(|accepted| accepted.signed().clone());
        effects.records.extend(accepted.map(Record::Accepted));
        effects.messages.push(Message::Prepare(vote));
        effects.notices.push(Notice::Phase {
            phase: "pre_prepare",
            sequence,
        });
        if let Some(slot) = self.slots.get_mut(&sequence) {
            slot.prepare_sent = Some(vote.view);
            slot.prepared_at = Some(self.now.monotonic);
        }
    }

    /// The vote to agree to, if its batch and all bodies are here.
    fn preparable(&self, sequence: Sequence) -> Option<Vote> {
        let slot = self.slots.get(&sequence)?;
        let accepted = slot.pre_prepared_in(self.view)?;
        let vote = *accepted.body();
        let due = slot.prepare_sent != Some(self.view) && !slot.declined;
        (due && self.has_bodies(sequence, &vote.digest)).then_some(vote)
    }

    /// Whether the batch is here, belongs to this sequence, and every body is here or was run.
    pub(crate) fn has_bodies(&self, sequence: Sequence, digest: &Digest) -> bool {
        let ran = self
            .slots
            .get(&sequence)
            .is_some_and(|slot| slot.run.is_some());
        let batch = self
            .batches
            .get(digest)
            .filter(|batch| batch.sequence == sequence);
        ran || batch.is_some_and(|batch| {
            let known = |id| self.pool.contains(id) || self.ran.contains_key(id);
            batch.requests.iter().all(known)
        })
    }

    /// Requests must have been let in by the gateways that are charged for them, and RESOLVEs must
    /// be justified, by their bytes alone. The window's end is theirs, one a view, so
    /// that no primary uses it up; a fresh proposal that does not belong there is held, not
    /// declined: the primary's watermark may have moved before this one's.
    fn batch_is_acceptable(&mut self, vote: &Vote, effects: &mut Effects) -> bool {
        let Some(batch) = self.batches.get(&vote.digest) else {
            return true;
        };
        let fresh = !self.required.contains_key(&vote.sequence);
        let resolves = batch.requests.is_empty() && !batch.resolutions.is_empty();
        let reserved = vote.sequence > self.last_for_requests();
        let belongs = resolves && !self.reserved_is_used(vote.sequence);
        let null = batch.requests.is_empty() && batch.resolutions.is_empty();
        let leads = null && self.leads_past_checkpoint(vote.sequence);
        let held = fresh && reserved && !belongs && !leads;
        if held && is_on(Bug::SkewDeclined) {
            let primary = self.primary();
            crate::replica::reject(effects, primary, Rejection::Certificate, "PRE-PREPARE");
        }
        if held || (fresh && !self.is_vouched_for(batch)) {
            return false;
        }
        // Last, since it is dear: it is looked at once.
        if self.resolutions_hold(batch) {
            return true;
        }
        if let Some(slot) = self.slots.get_mut(&vote.sequence) {
            slot.declined = true;
        }
        let primary = self.primary();
        crate::replica::reject(effects, primary, Rejection::Certificate, "PRE-PREPARE");
        false
    }

    /// Whether another fresh proposal of this view uses the window's end.
    pub(crate) fn reserved_is_used(&self, by_other_than: Sequence) -> bool {
        let reserved = self.slots.range(self.last_for_requests().next()..);
        let mut fresh = reserved.filter(|(sequence, slot)| {
            let required = self.required.contains_key(sequence);
            let prepared = slot.prepare_sent == Some(self.view) || self.is_primary();
            !required && prepared && slot.pre_prepared_in(self.view).is_some()
        });
        fresh.any(|(sequence, _)| *sequence != by_other_than)
    }

    /// COMMIT rests on the whole prepared certificate, which is recorded with it. (§4.2)
    fn commit_if_prepared(&mut self, sequence: Sequence, effects: &mut Effects) {
        let Some((vote, certificate)) = self.newly_prepared(sequence) else {
            return;
        };
        effects.records.push(Record::Prepared(certificate.clone()));
        effects.messages.push(Message::Commit(vote));
        effects.notices.push(Notice::Phase {
            phase: "prepare",
            sequence,
        });
        if let Some(slot) = self.slots.get_mut(&sequence) {
            slot.commit_sent = Some(vote.view);
            slot.prepared = Some((vote, certificate));
        }
    }

    fn newly_prepared(&self, sequence: Sequence) -> Option<(Vote, PreparedCertificate)> {
        let slot = self.slots.get(&sequence)?;
        let accepted = slot.pre_prepared_in(self.view)?;
        let vote = *accepted.body();
        let due = !self.changing && slot.commit_sent != Some(self.view);
        if !due || slot.prepares.count(&vote) + 1 < self.quorum() {
            return None;
        }
        let certificate = || PreparedCertificate {
            pre_prepare: accepted.signed().clone(),
            prepares: slot.prepares.matching(&vote),
        };
        self.has_bodies(sequence, &vote.digest)
            .then(|| (vote, certificate()))
    }

    /// q COMMITs for one batch in one view, whichever view that was. (OSDI'99 §4.2)
    fn note_committed(&mut self, sequence: Sequence, effects: &mut Effects) {
        let quorum = self.quorum();
        let Some(slot) = self.slots.get_mut(&sequence) else {
            return;
        };
        if slot.committed.is_some() {
            return;
        }
        let mut candidates = slot.commits.bodies();
        let committed = candidates.find(|vote| slot.commits.count(vote) >= quorum);
        drop(candidates);
        let Some(vote) = committed else { return };
        let certificate = CommitCertificate {
            vote,
            commits: slot.commits.matching(&vote),
        };
        effects.records.push(Record::Committed(certificate.clone()));
        effects.notices.push(Notice::Phase {
            phase: "commit",
            sequence,
        });
        slot.committed = Some(certificate);
        self.name_requests(&vote.digest, true);
        self.note_agreement(sequence);
    }

    /// Votes this replica cast, restored when they come back from the log.
    pub(crate) fn restore_vote(&mut self, message: &Message) {
        if is_on(Bug::VotesForgotten) {
            return;
        }
        let (vote, phase) = match message {
            Message::Prepare(vote) => (vote, 0),
            Message::Commit(vote) => (vote, 1),
            Message::PrePrepare(vote) => (vote, 2),
            _ => return,
        };
        self.next_sequence = match phase {
            2 => self.next_sequence.max(vote.sequence.next()),
            _ => self.next_sequence,
        };
        let Ok(slot) = self.slot_mut(vote.sequence) else {
            return;
        };
        let newest = |before: Option<View>| before.max(Some(vote.view));
        match phase {
            0 => slot.prepare_sent = newest(slot.prepare_sent),
            1 => slot.commit_sent = newest(slot.commit_sent),
            _ => {}
        }
    }
}

fn note_contradiction(
    added: Added,
    replica: ReplicaId,
    sequence: Sequence,
    effects: &mut Effects,
) -> Result<(), Rejection> {
    if added == Added::Contradiction {
        effects
            .notices
            .push(Notice::Equivocated { replica, sequence });
        return Err(Rejection::Equivocation);
    }
    Ok(())
}
