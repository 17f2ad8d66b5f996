//! Whether a proposed time is plausible here. (docs/protocol.md, "Ordering")
//!
//! Safety needs no clock, and executed time cannot go back, whatever is proposed. A bound below the
//! network's delay would decline every proposal, so it grows with each view that it cost, and
//! stays so until a proposal comes that did not need it: patience that swift agreement took back
//! would be lost again with the next batch, and that batch's view with it.

use crate::effect::Effects;
use crate::limits::TIMEOUT_DOUBLINGS;
use crate::message::Vote;
use crate::rejection::Rejection;
use crate::replica::{Replica, reject};
use crate::sabotage::{Bug, is_on};

/// How far beyond the clock bound proposals may be from the past.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    doublings: u32,
    /// Whether a proposal of this view was too old.
    declined: bool,
}

impl Lateness {
    /// A view that came to nothing for its proposals' age earns the next one more patience.
    pub(crate) fn enter_view(&mut self) {
        if std::mem::take(&mut self.declined) {
            self.doublings = (self.doublings + 1).min(TIMEOUT_DOUBLINGS);
        }
    }

    const fn factor(&self) -> u32 {
        1 << self.doublings
    }
}

impl Replica {
    /// A fresh proposal's time is checked against our clock: one from the future is held; one that
    /// was in the past when it came is not agreed to. Re-proposals were checked when fresh.
    pub(crate) fn time_is_acceptable(&mut self, vote: &Vote, effects: &mut Effects) -> bool {
        let time = self.batches.get(&vote.digest).and_then(|batch| batch.time);
        let Some(time) = time.filter(|_| !self.required.contains_key(&vote.sequence)) else {
            return true;
        };
        if is_on(Bug::TimeUnchecked) {
            return true;
        }
        let (now, bound) = (self.now.unix, self.config.clock_bound);
        let slot = self.slots.get(&vote.sequence);
        let received = slot.map_or(now, |slot| slot.received);
        if time.after(bound * self.lateness_factor()) < received {
            if let Some(slot) = self.slots.get_mut(&vote.sequence) {
                slot.declined = true;
            }
            self.lateness.declined = true;
            let primary = self.primary();
            reject(effects, primary, Rejection::Clock, "PRE-PREPARE");
            return false;
        }
        if time.after(bound / 2) >= received {
            self.lateness.doublings = 0;
        }
        time <= now.after(bound)
    }

    /// Like all patience, this grows while nothing moves, too.
    fn lateness_factor(&self) -> u32 {
        if is_on(Bug::BoundStaysShort) {
            return 1;
        }
        self.factor().max(self.lateness.factor())
    }
}
