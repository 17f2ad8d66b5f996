//! PROMISE: what a replica says when RESULTs cannot settle a sequence. (docs/protocol.md)
//!
//! Who promised settles the sequence by a certificate or a RESOLVE only. n−f promises hence leave
//! at most 2f members who could have attested otherwise, too few for a proof.

use std::time::Duration;

use crate::effect::{Effects, Notice};
use crate::execution::Outcome;
use crate::frame::Frame;
use crate::limits::{PROMISE_BYTES, PROMISED_FIELDS};
use crate::message::{Message, Promise, PromisedAnswer};
use crate::rejection::Rejection;
use crate::replica::Replica;
use crate::resolution::most_named;
use crate::run::Run;
use crate::signed::{SignedMessage, Verified};
use crate::slot::Slot;
use crate::types::Sequence;

impl Replica {
    /// PROMISEs for every sequence that n−f RESULTs leave open for too long, or that no further
    /// RESULT can settle.
    pub(crate) fn promise_where_stuck(&mut self, effects: &mut Effects) {
        if self.abstention.is_some() {
            return;
        }
        let (now, patience) = (self.now.monotonic, self.resolve_patience());
        for sequence in self.unsettled() {
            let hopeless = self
                .slots
                .get(&sequence)
                .is_some_and(|it| self.is_hopeless(it));
            let Some(slot) = self.slots.get_mut(&sequence) else {
                continue;
            };
            let since = *slot.stuck_since.get_or_insert(now);
            if !hopeless && now < since + patience {
                continue;
            }
            let Some(promise) = promise(sequence, slot, self.config.membership.order_quorum())
            else {
                continue;
            };
            slot.promised = true;
            effects.notices.push(Notice::Promised { sequence });
            effects.messages.push(Message::Promise(promise));
        }
    }

    /// Executed sequences that enough RESULTs are here for, and that these do not settle. Nothing
    /// that covers them is attested: attesting follows settling, in order, and what was attested
    /// before a crash is never promised after it.
    fn unsettled(&self) -> Vec<Sequence> {
        let own = &self.config.replica;
        let mut attested = self.slots.iter().rev();
        let attested = attested.find(|(_, slot)| slot.has_attested(*own));
        let attested = attested.map_or(self.settled, |(sequence, _)| *sequence);
        let above = self.slots.range(self.settled.max(attested).next()..);
        let open = above.filter(|(_, slot)| {
            let enough = slot.results.len() >= self.config.membership.n() - self.faults();
            let voted = slot.results.contains_key(&self.config.replica);
            let run = slot.run.as_ref().filter(|run| run.resolved.is_none());
            enough && voted && !slot.promised && run.is_some_and(|run| self.is_stuck(run, slot))
        });
        open.map(|(sequence, _)| *sequence).collect()
    }

    fn is_stuck(&self, run: &Run, slot: &Slot) -> bool {
        run.outcomes.is_some()
            && run
                .settled_by_results(&slot.results, self.quorum())
                .is_none()
    }

    /// Whether some index cannot get its quorum whatever the missing RESULTs say.
    fn is_hopeless(&self, slot: &Slot) -> bool {
        let Some(run) = &slot.run else { return false };
        let missing = self.config.membership.n() - slot.results.len();
        (0..run.items.len()).any(|index| {
            let results = slot.results.values();
            let named = results.map(|result| result.body().leaves.get(index).copied().flatten());
            most_named(named).map_or(0, |(_, count)| count) + missing < self.quorum()
        })
    }

    /// When the next PROMISE is due.
    pub(crate) fn promise_due(&self) -> Option<Duration> {
        let above = self.slots.range(self.settled.next()..);
        let stuck = above.filter(|(_, slot)| !slot.promised);
        let since = stuck.filter_map(|(_, slot)| slot.stuck_since).min();
        let due = since.map(|since| since + self.resolve_patience());
        due.filter(|due| *due > self.now.monotonic)
    }

    /// How long RESULTs may take to settle a sequence once n−f are here.
    pub(crate) fn resolve_patience(&self) -> Duration {
        self.config.request_timeout / 4
    }

    /// Another replica gives up on RESULTs. If this one did settle by them, it shows them.
    pub(crate) fn on_promise(
        &mut self,
        message: Verified<Promise>,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let (sender, sequence) = (message.sender(), message.body().sequence);
        if !message.body().is_sound() {
            return Err(Rejection::Malformed);
        }
        let own = self.config.replica;
        let slot = self.slot_mut(sequence)?;
        match slot.promises.get(&sender) {
            Some(before) if before.body() == message.body() => return Ok(()),
            Some(_) => {
                let replica = sender;
                effects
                    .notices
                    .push(Notice::Equivocated { replica, sequence });
                return Err(Rejection::Equivocation);
            }
            None => slot.promises.insert(sender, message),
        };
        if sender == own {
            slot.promised = true;
        }
        self.promised.insert(sequence);
        if sender != own && sequence > self.certified && sequence <= self.settled {
            let shown = self.settling_results(sequence);
            effects.direct.push((sender, Frame::Relay(shown)));
        }
        Ok(())
    }

    /// The RESULTs that settled a sequence here.
    pub(crate) fn settling_results(&self, sequence: Sequence) -> Vec<SignedMessage> {
        let results = self.slots.get(&sequence).into_iter();
        let results = results.flat_map(|slot| slot.results.values());
        results.map(|result| result.signed().clone()).collect()
    }

    pub(crate) fn faults(&self) -> usize {
        self.config.membership.f()
    }
}

/// The own RESULT again, and what is behind the leaves that are open.
fn promise(sequence: Sequence, slot: &Slot, quorum: usize) -> Option<Promise> {
    let run = slot.run.as_ref()?;
    let outcomes = run.outcomes.as_ref()?;
    let (mut answers, mut bytes) = (Vec::new(), 0);
    for (index, outcome) in (0_u32..).zip(outcomes) {
        let place = usize::try_from(index).ok()?;
        let results = slot.results.values();
        let named = results.map(|result| result.body().leaves.get(place).copied().flatten());
        let open = most_named(named).is_none_or(|(_, count)| count < quorum);
        let Outcome::Answer(answer) = outcome else {
            continue;
        };
        let short = answer.fields.len() <= PROMISED_FIELDS;
        let fields = if short {
            answer.fields.clone()
        } else {
            bytes::Bytes::new()
        };
        bytes += answer.leaf.len() + fields.len();
        if open && bytes <= PROMISE_BYTES {
            let leaf = answer.leaf.clone();
            answers.push(PromisedAnswer {
                index,
                leaf,
                fields,
            });
        }
    }
    let leaves = run.own_leaves.clone();
    Some(Promise {
        sequence,
        leaves,
        answers,
    })
}
