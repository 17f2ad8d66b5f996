//! Leaving a primary: SUSPECT, VIEW-CHANGE, NEW-VIEW. (OSDI'99 §4.4; docs/protocol.md)
//!
//! q suspicions are needed to leave a view, so f liars and one slow link evict nobody; and a
//! VIEW-CHANGE carries them, so a single valid one moves everyone.

use std::collections::{BTreeMap, BTreeSet};

use byzantine_proof::{Digest, ReplicaId};

use crate::batch::{Batch, KnownBatch};
use crate::certificate::{Judge, check_suspicions, order_quorum};
use crate::effect::{Effects, Notice};
use crate::frame::{Fetch, Frame};
use crate::limits::WINDOW_INTERVALS;
use crate::message::{Message, NewView, Subject, Suspicion, ViewChange, Vote};
use crate::record::Record;
use crate::rejection::Rejection;
use crate::replica::Replica;
use crate::sabotage::{Bug, is_on};
use crate::signed::{SignedMessage, Verified, open_one};
use crate::types::{RequestId, Sequence, View};

/// What a set of VIEW-CHANGEs demands: O of the paper. (OSDI'99 §4.4)
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Demands {
    /// The highest stable checkpoint among them.
    pub(crate) start: Sequence,
    /// Above it, per sequence, the batch of the highest view's certificate, or the null batch.
    pub(crate) proposals: BTreeMap<Sequence, Digest>,
}

/// A VIEW-CHANGE whose every certificate was checked.
#[derive(Debug)]
pub(crate) struct CheckedViewChange {
    pub(crate) stable: Sequence,
    pub(crate) prepared: Vec<Vote>,
}

impl Replica {
    /// Says that a clock ran out. Voting in the view goes on.
    pub(crate) fn suspect(&mut self, subject: Subject, effects: &mut Effects) {
        if self.abstention.is_some() || !self.may_suspect(subject) {
            return;
        }
        (self.suspected, self.suspected_at) = (Some(self.view), self.now.monotonic);
        let view = self.view;
        effects.notices.push(Notice::Suspected {
            view,
            reason: reason(subject),
        });
        effects
            .messages
            .push(Message::Suspect(Suspicion { view, subject }));
    }

    /// Once a view; and again, now and then, when something else is late: the others cannot fetch
    /// and time a request of which they never heard.
    fn may_suspect(&self, subject: Subject) -> bool {
        let suspected = self.suspected.cmp(&Some(self.view));
        if suspected.is_ne() {
            return suspected.is_lt();
        }
        let said = self.suspicions.get(&self.config.replica);
        let other = said.is_some_and(|said| said.body().subject != subject);
        let patient = self.now.monotonic >= self.suspected_at + self.request_timeout();
        other && patient && !is_on(Bug::SuspectsOnce)
    }

    /// The word cannot be taken back, but others would take its request up for as long as the view
    /// lasts: a refusal, which is not remembered, would be ordered again and again.
    pub(crate) fn update_subject(&self, effects: &mut Effects) {
        let said = self.suspicions.get(&self.config.replica);
        let said = said.map(|said| *said.body());
        let Some((view, Subject::Request(id))) = said.map(|said| (said.view, said.subject)) else {
            return;
        };
        let speaks = view == self.view && self.abstention.is_none();
        if speaks && !self.pool.waits(&id) {
            let subject = Subject::Answered;
            let suspicion = Suspicion { view, subject };
            effects.messages.push(Message::Suspect(suspicion));
        }
    }

    /// Keeps each sender's newest suspicion; q for one view end it.
    pub(crate) fn on_suspect(
        &mut self,
        message: Verified<Suspicion>,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let (sender, suspicion) = (message.sender(), *message.body());
        if suspicion.view < self.view {
            return Err(Rejection::WrongView);
        }
        if let Subject::Request(id) = suspicion.subject {
            self.take_up(sender, id, effects);
        }
        let before = self
            .suspicions
            .get(&sender)
            .map(|before| before.body().view);
        if before > Some(suspicion.view) {
            return Ok(());
        }
        self.suspicions.insert(sender, message);
        self.leave_suspected(suspicion.view, effects);
        Ok(())
    }

    /// Whoever hears that a request is late takes it up, and runs a clock of his own. What ran here
    /// as a call is over, even when its key is forgotten by now. But a refusal is not remembered,
    /// so whoever restarted may wait for what the others know to have been refused. That runs
    /// again, and is refused again; ever more seldom for the same replica, or a faulty one could
    /// have it refused for ever. It is fetched even where it is known: its gateway's word may have
    /// come to that one alone, who waits for it; and where f are down, each suspicion is needed.
    fn take_up(&mut self, sender: ReplicaId, id: RequestId, effects: &mut Effects) {
        if sender == self.config.replica || self.keys.answered(&id).is_some() {
            return;
        }
        if self.pool.waits(&id) {
            return;
        }
        let (now, patience) = (self.now.monotonic, self.request_timeout());
        match self.ran.get(&id).map(|ran| ran.refused) {
            Some(None) => {}
            Some(Some(_)) if is_on(Bug::RefusedForgotten) => {}
            refused => {
                if self.refusals.take_up((sender, &id), now, patience) {
                    if refused.is_some() {
                        self.take_up_ran(sender, &id);
                    }
                    fetch(sender, id, effects);
                }
            }
        }
    }

    fn leave_suspected(&mut self, view: View, effects: &mut Effects) {
        let against = self
            .suspicions
            .values()
            .filter(|suspicion| suspicion.body().view == view);
        let against: Vec<&Verified<Suspicion>> = against.collect();
        if against.len() < self.quorum() {
            return;
        }
        let subject = against
            .first()
            .map_or(Subject::NewView, |first| first.body().subject);
        let signed = against
            .iter()
            .map(|suspicion| suspicion.signed().clone())
            .collect();
        self.start_view_change(view.next(), signed, reason(subject), effects);
    }

    /// Stops voting in the old view and tells all what was prepared in it. (§4.4)
    fn start_view_change(
        &mut self,
        view: View,
        suspicions: Vec<SignedMessage>,
        reason: &'static str,
        effects: &mut Effects,
    ) {
        if view <= self.view || self.view_change_sent >= Some(view) {
            return;
        }
        (self.view, self.changing, self.new_view) = (view, true, None);
        self.view_change_sent = Some(view);
        self.moved_by.clone_from(&suspicions);
        self.required.clear();
        self.doublings += 1;
        self.await_view_changes();
        if self.is_eviction(&suspicions) {
            self.pace.note_eviction(self.now.monotonic);
        }
        effects
            .notices
            .push(Notice::ViewChangeStarted { view, reason });
        let prepared = self
            .slots
            .values()
            .filter_map(|slot| slot.prepared.as_ref());
        let prepared = prepared
            .map(|(_, certificate)| certificate.clone())
            .filter(|_| !is_on(Bug::PreparedDropped))
            .collect();
        let stable = self.stable_certificate.clone();
        let view_change = ViewChange {
            view,
            suspicions,
            stable,
            prepared,
        };
        effects.messages.push(Message::ViewChange(view_change));
    }

    /// The NEW-VIEW's clock begins with q VIEW-CHANGEs, as in §4.4; but these may never be here:
    /// one who left while it abstained has none to say. Twice as long is waited for them, then. It
    /// takes q to leave a view, so nobody runs ahead of the others by that.
    pub(crate) fn await_view_changes(&mut self) {
        let patience = self.config.view_change_timeout * self.factor() * 2;
        self.new_view_deadline = Some(self.now.monotonic + patience);
    }

    /// Whether a correct replica at least found the primary slow.
    fn is_eviction(&self, suspicions: &[SignedMessage]) -> bool {
        let slow = suspicions.iter().filter(|signed| {
            let message = borsh::from_slice(&signed.message);
            matches!(message, Ok(Message::Suspect(it)) if it.subject == Subject::Slow)
        });
        slow.count() > self.faults()
    }

    /// A valid VIEW-CHANGE for a higher view moves its receiver there too.
    pub(crate) fn on_view_change(
        &mut self,
        message: Verified<ViewChange>,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let (sender, view) = (message.sender(), message.body().view);
        if view < self.view || (view == self.view && !self.changing) {
            return Err(Rejection::WrongView);
        }
        let before = self
            .view_changes
            .get(&sender)
            .map(|before| before.body().view);
        if before >= Some(view) {
            return Ok(());
        }
        let checked = check_view_change(message.body(), self.judge(), self.window());
        checked.map(drop).or_else(|rejection| {
            let kept = is_on(Bug::InvalidViewChangeKept);
            if kept { Ok(()) } else { Err(rejection) }
        })?;
        let suspicions = message.body().suspicions.clone();
        self.view_changes.insert(sender, message);
        if !is_on(Bug::HigherViewIgnored) {
            self.start_view_change(view, suspicions, "joined", effects);
        }
        self.open_if_primary(effects);
        Ok(())
    }

    pub(crate) fn window(&self) -> u64 {
        WINDOW_INTERVALS * self.config.checkpoint_interval
    }

    /// The primary of the new view opens it with q VIEW-CHANGEs; the others time it from there.
    fn open_if_primary(&mut self, effects: &mut Effects) {
        let joined = self
            .view_changes
            .values()
            .filter(|vote| vote.body().view == self.view);
        let joined: Vec<SignedMessage> = joined.map(|vote| vote.signed().clone()).collect();
        if !self.changing || joined.len() < self.quorum() {
            return;
        }
        let due = self.now.monotonic + self.config.view_change_timeout * self.factor();
        self.new_view_deadline = self.new_view_deadline.or(Some(due)).min(Some(due));
        if self.is_primary() && self.new_view_sent < Some(self.view) {
            self.new_view_sent = Some(self.view);
            let view_changes = joined.into_iter().take(self.quorum()).collect();
            effects.messages.push(Message::NewView(NewView {
                view: self.view,
                view_changes,
            }));
        }
    }

    /// Everyone, the primary too, computes the same demands from the same VIEW-CHANGEs. (§4.4)
    pub(crate) fn on_new_view(
        &mut self,
        message: &Verified<Message>,
        new_view: &NewView,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let view = new_view.view;
        if message.sender() != view.primary(self.config.membership.n()) {
            return Err(Rejection::NotPrimary);
        }
        if view < self.view || (view == self.view && !self.changing) {
            return Ok(());
        }
        let checked = check_new_view(new_view, self.judge(), self.window())?;
        effects
            .records
            .push(Record::Accepted(message.signed().clone()));
        self.enter_view(view, demands(&checked), message.signed().clone(), effects);
        Ok(())
    }

    fn enter_view(
        &mut self,
        view: View,
        demands: Demands,
        signed: SignedMessage,
        effects: &mut Effects,
    ) {
        (self.view, self.changing, self.new_view) = (view, false, Some(signed));
        self.new_view_deadline = None;
        self.suspicions
            .retain(|_, suspicion| suspicion.body().view >= view);
        self.view_changes.retain(|_, vote| vote.body().view > view);
        let last = demands
            .proposals
            .last_key_value()
            .map(|(sequence, _)| *sequence);
        self.fresh_above = last.unwrap_or(demands.start);
        self.next_sequence = self.fresh_above.max(self.stable).next();
        self.required = demands.proposals;
        self.note_null_batches();
        for slot in self.slots.values_mut() {
            slot.justified_since = None;
        }
        let named = self.named_in_view();
        self.pool.enter_view(&named, self.now.monotonic);
        self.refusals.enter_view();
        self.pace.enter_view(self.config.membership.n());
        self.lateness.enter_view();
        effects.notices.push(Notice::ViewEntered(view));
        if self.is_primary() {
            self.propose_again(effects);
        }
    }

    /// Null batches are known by their digest alone.
    fn note_null_batches(&mut self) {
        for (sequence, digest) in &self.required {
            let null = KnownBatch::from(Batch::null(*sequence));
            if null.digest == *digest {
                self.batches.insert(*digest, null);
            }
        }
    }

    /// What the view's demands are still to run.
    fn named_in_view(&self) -> BTreeSet<RequestId> {
        if is_on(Bug::AbandonedNames) {
            return self.named.clone();
        }
        let first = if is_on(Bug::RanStaysNamed) {
            self.stable.next()
        } else {
            self.dispatched.next()
        };
        let open = self.required.range(first..);
        let batches = open.filter_map(|(_, digest)| self.batches.get(digest));
        batches
            .flat_map(|batch| batch.requests.iter().copied())
            .collect()
    }

    /// Proposes what the view demands and is not proposed yet. Called again when nothing moves:
    /// a crash may have come between NEW-VIEW and its proposals.
    pub(crate) fn propose_again(&mut self, effects: &mut Effects) {
        let open = self.required.range(self.stable.next()..);
        let open: Vec<(Sequence, Digest)> = open
            .filter(|(sequence, _)| {
                let slot = self.slots.get(sequence);
                slot.is_none_or(|slot| slot.pre_prepared_in(self.view).is_none())
            })
            .map(|(sequence, digest)| (*sequence, *digest))
            .collect();
        for (sequence, digest) in open {
            if let Some(batch) = self.batches.get(&digest) {
                effects.records.push(Record::Batch(batch.bytes.clone()));
                effects.batches.push(batch.bytes.clone());
            }
            effects.messages.push(Message::PrePrepare(Vote {
                view: self.view,
                sequence,
                digest,
            }));
        }
    }
}

/// The word for metrics: `byzantine_view_changes_total{reason}`.
fn fetch(from: ReplicaId, id: RequestId, effects: &mut Effects) {
    let fetch = Frame::Fetch(Fetch::Requests(vec![id]));
    effects.direct.push((from, fetch));
}

fn reason(subject: Subject) -> &'static str {
    match subject {
        Subject::Request(_) | Subject::Answered => "request",
        Subject::Sequence(_) => "sequence",
        Subject::NewView => "new_view",
        Subject::Slow => "slow",
        Subject::Abstention => "abstention",
    }
}

/// Checks every certificate that a VIEW-CHANGE carries.
fn check_view_change(
    view_change: &ViewChange,
    judge: Judge<'_>,
    window: u64,
) -> Result<CheckedViewChange, Rejection> {
    let before = view_change
        .view
        .0
        .checked_sub(1)
        .ok_or(Rejection::Certificate)?;
    check_suspicions(&view_change.suspicions, View(before), judge)?;
    let stable = match &view_change.stable {
        Some(certificate) => certificate.check(judge)?,
        None => Sequence(0),
    };
    if view_change.prepared.len() as u64 > window {
        return Err(Rejection::TooMany);
    }
    let mut prepared = BTreeMap::new();
    for certificate in &view_change.prepared {
        let vote = certificate.check(judge)?;
        let inside = vote.sequence > stable && vote.sequence <= stable + window;
        let earlier = vote.view < view_change.view;
        let first = prepared.insert(vote.sequence, vote).is_none();
        if !(inside && earlier && first) {
            return Err(Rejection::Certificate);
        }
    }
    Ok(CheckedViewChange {
        stable,
        prepared: prepared.into_values().collect(),
    })
}

/// Checks that a NEW-VIEW holds VIEW-CHANGEs of q distinct replicas, all valid and for its view.
fn check_new_view(
    new_view: &NewView,
    judge: Judge<'_>,
    window: u64,
) -> Result<Vec<CheckedViewChange>, Rejection> {
    let votes = &new_view.view_changes;
    let senders: BTreeSet<ReplicaId> = votes.iter().map(|vote| vote.sender).collect();
    if senders.len() != votes.len() || senders.len() < order_quorum(judge.membership) {
        return Err(Rejection::Certificate);
    }
    let check = |signed: &SignedMessage| {
        let opened = open_one(judge.origin, signed, judge.authority)?;
        match opened.body() {
            Message::ViewChange(vote)
                if vote.view == new_view.view || is_on(Bug::AncientViewChange) =>
            {
                check_view_change(vote, judge, window)
            }
            _ => Err(Rejection::Certificate),
        }
    };
    votes.iter().map(check).collect()
}

/// Computes O. What committed anywhere prepared at q replicas, so every q VIEW-CHANGEs hold its
/// certificate; of two certificates for one sequence the higher view's is the one that may have
/// committed.
pub(crate) fn demands(view_changes: &[CheckedViewChange]) -> Demands {
    let stable = || view_changes.iter().map(|vote| vote.stable);
    let highest = !is_on(Bug::LowestStableStarts);
    let start = if highest {
        stable().max()
    } else {
        stable().min()
    }
    .unwrap_or_default();
    let mut highest: BTreeMap<Sequence, Vote> = BTreeMap::new();
    for vote in view_changes
        .iter()
        .flat_map(|view_change| &view_change.prepared)
    {
        let best = highest.entry(vote.sequence).or_insert(*vote);
        if (vote.view > best.view) != (is_on(Bug::LowerViewPreferred) && vote.view != best.view) {
            *best = *vote;
        }
    }
    let last = highest
        .last_key_value()
        .map_or(start, |(sequence, _)| *sequence);
    let proposal = |sequence: Sequence| {
        let null = || Batch::null(sequence).digest();
        (
            sequence,
            highest.get(&sequence).map_or_else(null, |vote| vote.digest),
        )
    };
    let proposals = (start.next().0..=last.0)
        .map(|number| proposal(Sequence(number)))
        .filter(|(at, _)| highest.contains_key(at) || !is_on(Bug::GapsStayOpen))
        .collect();
    Demands { start, proposals }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(view: u64, sequence: u64, batch: &[u8]) -> Vote {
        let (view, sequence) = (View(view), Sequence(sequence));
        Vote {
            view,
            sequence,
            digest: Digest::of(batch),
        }
    }

    #[test]
    fn the_highest_view_wins_and_gaps_become_null() {
        let demands = demands(&[
            CheckedViewChange {
                stable: Sequence(0),
                prepared: vec![vote(0, 2, b"old")],
            },
            CheckedViewChange {
                stable: Sequence(1),
                prepared: vec![vote(1, 2, b"new")],
            },
            CheckedViewChange {
                stable: Sequence(0),
                prepared: vec![vote(0, 4, b"four")],
            },
        ]);
        assert_eq!(demands.start, Sequence(1));
        let expected = [
            (Sequence(2), Digest::of(b"new")),
            (Sequence(3), Batch::null(Sequence(3)).digest()),
            (Sequence(4), Digest::of(b"four")),
        ];
        assert_eq!(demands.proposals, BTreeMap::from(expected));
    }

    #[test]
    fn nothing_prepared_demands_nothing() {
        let demands = demands(&[CheckedViewChange {
            stable: Sequence(7),
            prepared: vec![],
        }]);
        assert_eq!((demands.start, demands.proposals.len()), (Sequence(7), 0));
    }
}
