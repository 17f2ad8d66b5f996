//! Letting requests in: whose word a request rests on, and who is charged for its key.
//! (docs/protocol.md, "Requests")
//!
//! A request is ordered only on the signed word of a gateway. A batch names that gateway for each
//! of its requests, and nobody prepares one without having seen the word: so a gateway's quota of
//! keys is used up by nobody but itself.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use byzantine_proof::{Digest, ReplicaId};

use crate::batch::{Admission, Batch, KnownBatch};
use crate::effect::Effects;
use crate::frame::Frame;
use crate::limits::{FETCH_NAMES, GATEWAY_REQUESTS, RELAYED_MESSAGES};
use crate::message::Message;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::replica::Replica;
use crate::request::{KnownRequest, Request, request_id};
use crate::sabotage::{Bug, is_on};
use crate::signed::{SignedMessage, Verified};
use crate::types::{RequestId, Sequence};
use crate::word::{Admissions, Word, keep_later, shows};

/// A request that was handed over above the stable checkpoint.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Where it ran last.
    pub(crate) sequence: Sequence,
    pub(crate) request: KnownRequest,
    pub(crate) admissions: Admissions,
    /// When its clock started.
    pub(crate) since: Duration,
    /// When it was handed over.
    pub(crate) at: Duration,
    /// Whether it did not run there, and why.
    pub(crate) refused: Option<Refused>,
}

/// Why a request that was handed over did not run. Neither is remembered beyond [`Ran`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its key was used with another request.
    Reused,
    /// Its gateway had no room in the table of keys.
    Limit,
    /// Keys were forgotten since its gateway let it in.
    Lapsed,
}

impl Replica {
    /// Requests of this replica's own gateway: to all, so that every backup's clock runs.
    pub(crate) fn on_admitted(&mut self, requests: &[Request], effects: &mut Effects) {
        let (own, now) = (self.config.replica, self.now.monotonic);
        let as_of = self.dispatched;
        let mut admitted = Vec::new();
        for request in requests.iter().take(GATEWAY_REQUESTS) {
            let bytes = request.encode();
            let Some(known) = KnownRequest::parse(&bytes) else {
                continue;
            };
            let id = known.id;
            if self.keys.answered(&id).is_none() {
                self.pace.give(id, bytes.len());
                self.refusals.renew(&id, own);
                self.pool.insert(known, own, now);
                let signed = None;
                self.pool.admit(&id, (own, Word { as_of, signed }), now);
                admitted.push(bytes);
            }
        }
        if !admitted.is_empty() {
            let requests = admitted;
            effects.messages.push(Message::Requests { as_of, requests });
        }
    }

    /// A gateway's bundle: the bodies, and its word for each.
    pub(crate) fn on_requests(
        &mut self,
        message: &Verified<Message>,
        (as_of, requests): (Sequence, &[Bytes]),
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        if requests.len() > GATEWAY_REQUESTS {
            return Err(Rejection::TooMany);
        }
        let names: Vec<RequestId> = requests.iter().map(|bytes| request_id(bytes)).collect();
        let (sender, signed) = (message.sender(), Some(message.admission(as_of, &names)));
        let (mut accepted, mut outcome) = (Vec::new(), Ok(()));
        for (id, bytes) in names.iter().zip(requests) {
            match self.take_body(*id, bytes, sender) {
                Ok(true) => accepted.push(bytes.clone()),
                Ok(false) => {}
                Err(rejection) => outcome = Err(rejection),
            }
        }
        if !accepted.is_empty() && sender != self.config.replica {
            effects.records.push(Record::Requests(sender.0, accepted));
        }
        for id in &names {
            // Its client tries again, whatever became of the request before.
            self.refusals.renew(id, sender);
            self.take_up_forgotten(id, sender);
        }
        self.take_word(&names, (sender, &Word { as_of, signed }), effects);
        outcome
    }

    /// A gateway's word for requests whose bodies came, or come, another way.
    pub(crate) fn on_admission(
        &mut self,
        message: &Verified<Message>,
        (as_of, names): (Sequence, &[RequestId]),
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        if names.len() > GATEWAY_REQUESTS {
            return Err(Rejection::TooMany);
        }
        let signed = Some(message.admission(as_of, names));
        self.take_word(names, (message.sender(), &Word { as_of, signed }), effects);
        Ok(())
    }

    /// Bodies without a word: kept for batches that name them, and for a word to come.
    pub(crate) fn on_bodies(
        &mut self,
        from: ReplicaId,
        requests: &[Bytes],
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let (mut accepted, mut outcome) = (Vec::new(), Ok(()));
        for bytes in requests.iter().take(FETCH_NAMES) {
            let id = request_id(bytes);
            if !self.is_wanted(&id) {
                continue;
            }
            self.take_up_given(from, &id);
            match self.take_body(id, bytes, from) {
                Ok(true) => accepted.push(bytes.clone()),
                Ok(false) => {}
                Err(rejection) => outcome = Err(rejection),
            }
        }
        if !accepted.is_empty() {
            effects.records.push(Record::Requests(from.0, accepted));
        }
        outcome
    }

    /// Whether a body that its gateway did not bring is of use: a batch that waits names it, or
    /// somebody still waits for it; and a primary is given what others wait for. An answer to a
    /// question that was settled in the meantime must not bring back what ran, or what was refused
    /// and is not remembered would be ordered, and asked for, for ever.
    fn is_wanted(&self, id: &RequestId) -> bool {
        let needed = self.named.contains(id) && self.is_needed(id);
        needed || self.is_primary() || self.refusals.is_awaited(id)
    }

    /// Own envelopes are in the log whole, so an own word needs no record of its own.
    fn take_word(
        &mut self,
        names: &[RequestId],
        (gateway, word): (ReplicaId, &Word),
        effects: &mut Effects,
    ) {
        if self.keys.is_lapsed(word.as_of) {
            return;
        }
        let mut news = false;
        for id in names {
            self.take_up_limited(id, gateway);
            let ran = self.ran.get_mut(id);
            news |=
                ran.is_some_and(|ran| keep_later(&mut ran.admissions, gateway, Word::clone(word)));
            news |= self.give_word(id, (gateway, Word::clone(word)), self.now.monotonic);
        }
        let signed = word.signed.as_ref().filter(|_| news);
        if let Some(signed) = signed.filter(|_| gateway != self.config.replica) {
            let record = Record::Accepted(SignedMessage::clone(signed));
            effects.records.push(record);
        }
    }

    /// Gives the pool a word; `false` when it is no news there.
    fn give_word(&mut self, id: &RequestId, word: (ReplicaId, Word), since: Duration) -> bool {
        if self.refusals.contains(id, word.0) {
            self.pool.note_spent(id, word)
        } else {
            self.pool.admit(id, word, since)
        }
    }

    /// `false` when the body is here, or is of no use.
    fn take_body(
        &mut self,
        id: RequestId,
        bytes: &Bytes,
        by: ReplicaId,
    ) -> Result<bool, Rejection> {
        // What is known is recognised by its digest alone: most of what comes is here already.
        if self.pool.contains(&id) || self.is_done_with(&id) {
            return Ok(false);
        }
        let request = KnownRequest::parse(bytes).ok_or(Rejection::Request)?;
        let named = self.named.contains(&id);
        // What a batch in the window names has reserved room; all else falls under the quota.
        if !named && !self.pool.has_room(by) {
            return Err(Rejection::Quota);
        }
        self.pool.insert(request, by, self.now.monotonic);
        let harmful = is_on(Bug::AnsweredWaits) || is_on(Bug::DoneReturns);
        if self.keys.answered(&id).is_some() && !harmful {
            self.pool.mark_answered(&id);
            return Ok(true);
        }
        if named && self.is_proposed_above(&id, self.dispatched) {
            self.pool.mark_proposed(&id);
        }
        Ok(true)
    }

    /// Whether a batch of this view above `sequence` names a request.
    fn is_proposed_above(&self, id: &RequestId, sequence: Sequence) -> bool {
        let proposed = |(digest, batch): (&Digest, &KnownBatch)| {
            batch.sequence > sequence
                && batch.requests.contains(id)
                && self.is_current(batch.sequence, digest)
        };
        self.batches.iter().any(proposed)
    }

    /// Whether a request was handed over and no batch that waits needs its body again. It must not
    /// enter the pool then: nothing would take it out.
    fn is_done_with(&self, id: &RequestId) -> bool {
        if is_on(Bug::DoneReturns) {
            return false;
        }
        self.ran.contains_key(id) || (self.keys.answered(id).is_some() && !self.is_needed(id))
    }

    /// A primary is given what ran, and no key remembers, by those who wait for it still. What they
    /// gave it before it ran may come a little later. What waits here as well goes on from word to
    /// word: if the first counted again each time, the last would never be used up, and those who
    /// wait for that would wait for ever.
    fn take_up_given(&mut self, by: ReplicaId, id: &RequestId) {
        if !self.is_primary() || self.pool.waits(id) || is_on(Bug::RefusedForgotten) {
            return;
        }
        let over = self.now.monotonic.checked_sub(self.request_timeout() / 4);
        match self.ran.get(id) {
            Some(ran) if over >= Some(ran.at) => self.take_up_ran(by, id),
            Some(_) => {}
            // It was refused below the checkpoint, perhaps.
            None => self.refusals.count_again(id),
        }
    }

    /// What ran here, and no key remembers, is decided anew for those who wait for it: the word
    /// that its gateway gave them once more need not have come here.
    pub(crate) fn take_up_ran(&mut self, by: ReplicaId, id: &RequestId) {
        let Some(ran) = self.ran.get(id) else {
            return;
        };
        if self.keys.answered(id).is_some() {
            return;
        }
        self.refusals.count_again(id);
        let now = self.now.monotonic;
        self.pool.insert(ran.request.clone(), by, now);
        for (gateway, word) in &ran.admissions {
            if !self.keys.is_lapsed(word.as_of) {
                self.pool.admit(id, (*gateway, word.clone()), now);
            }
        }
    }

    /// A request that was handed over, and that no key remembers, waits again once its gateway
    /// brings it anew: its key was used with another request and may be free by now, or agreed time
    /// has passed what was remembered of its own. A word that others show brings nothing back.
    fn take_up_forgotten(&mut self, id: &RequestId, gateway: ReplicaId) {
        let ran = self.ran.get(id);
        let ran = ran.filter(|ran| ran.refused != Some(Refused::Limit));
        if let Some(ran) = ran.filter(|_| self.keys.answered(id).is_none()) {
            let request = ran.request.clone();
            self.pool.insert(request, gateway, self.now.monotonic);
        }
    }

    /// A request that met a limit waits again once a gateway vouches for it whose word is not used
    /// up.
    fn take_up_limited(&mut self, id: &RequestId, gateway: ReplicaId) {
        let limited = |ran: &&Ran| ran.refused == Some(Refused::Limit);
        let ran = self.ran.get(id).filter(limited);
        let spent = self.refusals.contains(id, gateway) || self.keys.answered(id).is_some();
        if let Some(ran) = ran.filter(|_| !spent) {
            let request = ran.request.clone();
            self.pool.insert(request, gateway, self.now.monotonic);
        }
    }

    /// A request that met a limit at `sequence`, or whose word had lapsed, waits on if other
    /// gateways vouch for it as well: the limit is not theirs. Its clock runs on, or a primary
    /// whose own quota is used up could refuse everybody's requests for ever, by vouching for them
    /// too.
    pub(crate) fn wait_on(&mut self, id: &RequestId, sequence: Sequence) {
        let Some(ran) = self.ran.get(id) else {
            return;
        };
        let words = ran.admissions.iter();
        let words = words.filter(|(_, word)| !self.keys.is_lapsed(word.as_of));
        let words: Vec<(ReplicaId, Word)> = words.map(|(by, word)| (*by, word.clone())).collect();
        let mut left = words.iter().map(|(gateway, _)| *gateway);
        let Some(first) = left.find(|gateway| !self.refusals.contains(id, *gateway)) else {
            return;
        };
        if is_on(Bug::LimitForAll) {
            return;
        }
        let (request, since) = (ran.request.clone(), ran.since);
        self.pool.insert(request, first, since);
        for word in words {
            self.give_word(id, word, since);
        }
        if self.is_proposed_above(id, sequence) {
            self.pool.mark_proposed(id);
        }
    }

    /// What batches name that are not handed over yet.
    pub(crate) fn needed(&self) -> BTreeSet<RequestId> {
        let batches = self.batches.values();
        let waiting = batches.filter(|batch| batch.sequence > self.dispatched);
        waiting
            .flat_map(|batch| batch.requests.iter().copied())
            .collect()
    }

    /// Whether a batch that is not handed over yet names this request.
    pub(crate) fn is_needed(&self, id: &RequestId) -> bool {
        let batches = self.batches.values();
        let mut waiting = batches.filter(|batch| batch.sequence > self.dispatched);
        waiting.any(|batch| batch.requests.contains(id))
    }

    /// Which of the gateways that vouch for a request is charged for its key: the one that holds
    /// fewest, so that a client who tried two of them meets no limit before both do.
    pub(crate) fn charged(&self, id: &RequestId) -> Admission {
        let own = Admission {
            gateway: self.config.replica,
            as_of: self.dispatched,
        };
        if is_on(Bug::ChargedToPrimary) {
            return own;
        }
        let vouching = self.pool.vouching(id);
        let charged = vouching.min_by_key(|it| (self.keys.live(it.gateway), it.gateway));
        charged.unwrap_or(own)
    }

    /// Whether every request of a batch was let in by the gateway that it names. Otherwise the
    /// proposal is held: the word may be on its way, and is asked for when nothing moves.
    pub(crate) fn is_vouched_for(&self, batch: &Batch) -> bool {
        let unchecked = is_on(Bug::ChargedToPrimary) || is_on(Bug::WordUnchecked);
        unchecked || self.unvouched(batch).next().is_none()
    }

    /// The requests of a batch whose gateway's word is not here. An answered one needs none: it
    /// makes no leaf, and is charged to nobody; nor does one whose word has lapsed.
    pub(crate) fn unvouched<'a>(
        &'a self,
        batch: &'a Batch,
    ) -> impl Iterator<Item = RequestId> + 'a {
        let pairs = batch.requests.iter().zip(&batch.admissions);
        let unvouched = pairs.filter(|(id, admission)| {
            let ran = self.ran.get(id);
            let vouched = self.pool.has_word(id, **admission)
                || ran.is_some_and(|ran| shows(&ran.admissions, **admission))
                || self.keys.is_lapsed(admission.as_of);
            !vouched && self.keys.answered(id).is_none()
        });
        unvouched.map(|(id, _)| *id)
    }

    /// The words for these requests that are here, each once.
    pub(crate) fn send_words(&self, to: ReplicaId, ids: &[RequestId], effects: &mut Effects) {
        let ran = |id| {
            self.ran
                .get(id)
                .into_iter()
                .flat_map(|ran| ran.admissions.values())
                .filter_map(|word| word.signed.as_ref())
        };
        let here = |id| self.pool.words(id).chain(ran(id));
        let mut seen = BTreeSet::new();
        let mut words: Vec<SignedMessage> = Vec::new();
        for word in ids.iter().take(FETCH_NAMES).flat_map(here) {
            if seen.insert((word.sender, word.message.clone())) {
                words.push(SignedMessage::clone(word));
            }
        }
        for part in words.chunks(RELAYED_MESSAGES) {
            effects.direct.push((to, Frame::Relay(part.to_vec())));
        }
    }
}
