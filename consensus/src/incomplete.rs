//! Proposals that name what is not here: the primary is asked for it, once and soon.
//!
//! Whoever proposes holds every body, so it is the one to ask. Left to the tick that finds nothing
//! moving, a gateway that sends its requests to some replicas only, or a frame that is lost, would
//! cost everybody half a second a batch. A primary that is silent loses nothing but that time: the
//! tick asks the others in turn.

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
            let fetch = self.lacking(digest);
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
        open.filter(move |(_, slot)| backup && slot.bodies_asked != Some(self.view))
            .filter_map(|(sequence, slot)| {
                let digest = slot.pre_prepared_in(self.view)?.body().digest;
                let due = slot.pre_prepared_at + BODY_PATIENCE;
                let whole = self.has_bodies(*sequence, &digest);
                (!whole).then_some((due, *sequence, digest))
            })
    }

    fn lacking(&self, digest: Digest) -> Fetch {
        let Some(batch) = self.batches.get(&digest) else {
            return Fetch::Batches(vec![digest]);
        };
        let absent = |id: &&RequestId| !self.pool.contains(id) && !self.ran.contains_key(id);
        Fetch::Requests(batch.requests.iter().filter(absent).copied().collect())
    }
}
