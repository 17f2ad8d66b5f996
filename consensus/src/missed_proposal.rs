//! Proposals that others agreed to and that never came here: they are asked for it, soon.
//!
//! A primary that proposes to just enough backups for a quorum keeps the others from voting, and
//! nobody suspects it: batches commit, each once the slowest tick has brought the others along.
//! f+1 PREPAREs name one correct backup at least, which has the PRE-PREPARE and passes it on. What
//! it says is checked like any other: a PRE-PREPARE counts for its signature, whoever brings it.

use std::time::Duration;

use byzantine_proof::ReplicaId;

use crate::effect::Effects;
use crate::frame::{Fetch, Frame, Supply};
use crate::limits::BODY_PATIENCE;
use crate::message::Vote;
use crate::replica::Replica;
use crate::types::{Sequence, View};

/// Since when others are known to have agreed to what is not here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Missed {
    view: View,
    since: Duration,
    asked: bool,
}

impl Replica {
    /// Notes that f+1 backups agreed to a proposal of this view that did not come.
    pub(crate) fn note_missed(&mut self, vote: &Vote) {
        let (view, since, enough) = (self.view, self.now.monotonic, self.faults() + 1);
        let Some(slot) = self.slots.get_mut(&vote.sequence) else {
            return;
        };
        let known = slot.missed.is_some_and(|missed| missed.view == view);
        let here = vote.view != view || slot.pre_prepared_in(view).is_some();
        if !known && !here && slot.prepares.count(vote) >= enough {
            slot.missed = Some(Missed {
                view,
                since,
                asked: false,
            });
        }
    }

    /// When those who agreed are to be asked.
    pub(crate) fn missed_due(&self) -> Option<Duration> {
        self.missed().map(|(due, _)| due).min()
    }

    /// Asks f+1 of those who agreed for what did not come for long enough.
    pub(crate) fn fetch_missed(&mut self, effects: &mut Effects) {
        let now = self.now.monotonic;
        let late = self.missed().filter(|(due, _)| *due <= now);
        let late: Vec<Sequence> = late.map(|(_, sequence)| sequence).collect();
        for sequence in late {
            for peer in self.agreed(sequence) {
                let fetch = Frame::Fetch(Fetch::Proposal(sequence));
                effects.direct.push((peer, fetch));
            }
            let slot = self.slots.get_mut(&sequence);
            if let Some(missed) = slot.and_then(|slot| slot.missed.as_mut()) {
                missed.asked = true;
            }
        }
    }

    /// Passes on the PRE-PREPARE that this replica accepted, with its batch.
    pub(crate) fn supply_proposal(&self, to: ReplicaId, sequence: Sequence, effects: &mut Effects) {
        let slot = self.slots.get(&sequence);
        let Some(accepted) = slot.and_then(|slot| slot.pre_prepared_in(self.view)) else {
            return;
        };
        let relay = Frame::Relay(vec![accepted.signed().clone()]);
        effects.direct.push((to, relay));
        if let Some(batch) = self.batches.get(&accepted.body().digest) {
            let supply = Supply::Batches(vec![batch.bytes.clone()]);
            effects.direct.push((to, Frame::Supply(supply)));
        }
    }

    /// Above what was handed over, in this view: when to ask, and for which sequence.
    fn missed(&self) -> impl Iterator<Item = (Duration, Sequence)> + '_ {
        let open = self.slots.range(self.dispatched.next()..);
        open.filter(|_| !self.changing)
            .filter_map(|(sequence, slot)| {
                let missed = slot.missed.filter(|missed| missed.view == self.view)?;
                let due = !missed.asked && slot.pre_prepared_in(self.view).is_none();
                due.then_some((missed.since + BODY_PATIENCE, *sequence))
            })
    }

    fn agreed(&self, sequence: Sequence) -> Vec<ReplicaId> {
        let slot = self.slots.get(&sequence);
        let agreed = |id: &ReplicaId| {
            let vote = slot.and_then(|slot| slot.prepares.of(*id));
            vote.is_some_and(|vote| vote.body().view == self.view)
        };
        let others = self.config.membership.ids();
        let others = others.filter(|id| *id != self.config.replica);
        others.filter(agreed).take(self.faults() + 1).collect()
    }
}
