//! Proposals that name what is not here: the primary is asked for it, once and soon.
//!
//! Whoever proposes holds every body, so it is the one to ask. Left to the tick that finds nothing
//! moving, a gateway that sends its requests to some replicas only, or a frame that is lost, would
//! cost everybody half a second a batch. A primary that is silent loses nothing but that time: the
//! tick asks the others in turn.

use std::collections::BTreeSet;
use std::time::Duration;

use byzantine_proof::Digest;

use crate::effect::Effects;
use crate::frame::{Fetch, Frame};
use crate::limits::BODY_PATIENCE;
use crate::replica::Replica;
use crate::types::{RequestId, Sequence};

impl Replica {
    /// When the primary is to be asked for what a proposal of its lacks here.
    pub(crate) fn bodies_due(&self) -> Option<Duration> {
        let incomplete = self.incomplete_proposals();
        incomplete.map(|(due, ..)| due).min()
    }

    /// Asks for what proposals have lacked for long enough.
    pub(crate) fn fetch_bodies(&mut self, effects: &mut Effects) {
        let now = self.now.monotonic;
        let late = self.incomplete_proposals().filter(|(due, ..)| *due <= now);
        let late: Vec<(Sequence, Digest)> = late
            .map(|(_, sequence, digest)| (sequence, digest))
            .collect();
        let primary = self.primary();
        for (sequence, digest) in late {
            let fetch = self.lacking(sequence, digest);
            effects.direct.push((primary, Frame::Fetch(fetch)));
            if let Some(slot) = self.slots.get_mut(&sequence) {
                slot.bodies_asked = Some(self.view);
            }
        }
    }

    /// Accepted in this view, not handed over, and something is missing that was not asked for:
    /// when to ask, and what for.
    fn incomplete_proposals(&self) -> impl Iterator<Item = (Duration, Sequence, Digest)> + '_ {
        let backup = !self.is_primary() && !self.changing;
        let open = self.slots.range(self.dispatched.next()..);
        open.filter(move |(_, slot)| {
            // Whoever has agreed had everything: a full batch is not gone through at each event.
            let agreed = slot.prepared_at.is_some() && slot.prepare_sent == Some(self.view);
            backup && !agreed && slot.bodies_asked != Some(self.view)
        })
        .filter_map(|(sequence, slot)| {
            let digest = slot.pre_prepared_in(self.view)?.body().digest;
            let due = slot.pre_prepared_at + BODY_PATIENCE;
            let whole = self.has_bodies(*sequence, &digest) && !self.lacks_words(*sequence);
            (!whole).then_some((due, *sequence, digest))
        })
    }

    /// Whether a fresh proposal is held because gateways' words for its requests are not here.
    pub(crate) fn lacks_words(&self, sequence: Sequence) -> bool {
        self.unvouched_in(sequence).next().is_some()
    }

    /// What a fresh proposal of this view, not agreed to here yet, names
    /// without its gateway's word.
    pub(crate) fn unvouched_in(&self, sequence: Sequence) -> impl Iterator<Item = RequestId> + '_ {
        let open = self.slots.get(&sequence).filter(|slot| {
            let due = slot.prepare_sent != Some(self.view) && slot.run.is_none();
            due && !self.required.contains_key(&sequence)
        });
        let proposed = open.and_then(|slot| slot.pre_prepared_in(self.view));
        let batch = proposed.and_then(|vote| self.batches.get(&vote.body().digest));
        batch.into_iter().flat_map(|batch| self.unvouched(batch))
    }

    /// A gateway's word comes with the body that it is for.
    fn lacking(&self, sequence: Sequence, digest: Digest) -> Fetch {
        let Some(batch) = self.batches.get(&digest) else {
            return Fetch::Batches(vec![digest]);
        };
        let absent = |id: &&RequestId| !self.pool.contains(id) && !self.ran.contains_key(id);
        let absent = batch.requests.iter().filter(absent).copied();
        let lacking: BTreeSet<RequestId> = absent.chain(self.unvouched_in(sequence)).collect();
        Fetch::Requests(lacking.into_iter().collect())
    }
}
