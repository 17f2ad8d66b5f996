//! The clocks that make a replica suspect its primary. Pure functions of what is pending.

use std::time::Duration;

use crate::effect::Effects;
use crate::frame::{Frame, Supply};
use crate::limits::{FETCH_NAMES, PATIENCE, TIMEOUT_DOUBLINGS};
use crate::message::Subject;
use crate::replica::Replica;
use crate::request::KnownRequest;
use crate::sabotage::{Bug, is_on};
use crate::types::{RequestId, Sequence};

impl Replica {
    /// The moments at which a clock runs out.
    pub(crate) fn clocks(&self) -> [Option<Duration>; 9] {
        let promise = self.promise_due().filter(|_| self.abstention.is_none());
        if self.changing {
            let new_view = self.new_view_deadline;
            return [
                new_view.filter(|_| self.abstention.is_none()),
                promise,
                None,
                None,
                None,
                None,
                None,
                None,
                None,
            ];
        }
        let request = self.pool.oldest().map(|(since, _)| since);
        let proposed = self.oldest_proposal().map(|(since, _)| since);
        let armed = self.suspected < Some(self.view) && self.abstention.is_none();
        let relay = request.map(|since| since + self.request_timeout() / 2);
        let resolvable = self.oldest_resolvable().map(|(since, _)| since);
        let resolve = resolvable.map(|since| since + self.resolve_patience());
        [
            promise,
            resolve.filter(|resolve| *resolve > self.now.monotonic),
            resolvable
                .map(|since| self.resolve_deadline(since))
                .filter(|_| armed),
            relay.filter(|relay| *relay > self.now.monotonic),
            self.probe_due(),
            self.bodies_due(),
            self.missed_due(),
            request.map(|since| self.deadline(since)).filter(|_| armed),
            proposed.map(|since| self.deadline(since)).filter(|_| armed),
        ]
    }

    /// Acts on every clock that ran out.
    pub(crate) fn run_clocks(&mut self, effects: &mut Effects) {
        let now = self.now.monotonic;
        if now >= self.status_due {
            self.send_status(effects);
        }
        if self.changing {
            let due = self.new_view_deadline.filter(|due| now >= *due);
            // Who abstains suspects nobody, but may have to afterwards.
            if due.is_some() && self.abstention.is_none() {
                self.new_view_deadline = None;
                self.suspect(Subject::NewView, effects);
            }
            return;
        }
        self.relay_late_requests(effects);
        self.probe(effects);
        self.fetch_bodies(effects);
        self.fetch_missed(effects);
        if let Some(subject) = self.slowness() {
            self.suspect(subject, effects);
        }
        if let Some((since, id)) = self.pool.oldest()
            && now >= self.deadline(since)
        {
            self.suspect(Subject::Request(id), effects);
        }
        if let Some((since, sequence)) = self.oldest_proposal()
            && now >= self.deadline(since)
        {
            self.suspect(Subject::Sequence(sequence), effects);
        }
        if let Some((since, sequence)) = self.oldest_resolvable()
            && now >= self.resolve_deadline(since)
        {
            self.suspect(Subject::Sequence(sequence), effects);
        }
    }

    /// What is executed and not settled has no request clock: this one takes its place.
    fn resolve_deadline(&self, since: Duration) -> Duration {
        since + self.resolve_patience() + self.request_timeout()
    }

    /// A gateway that bypasses the primary must not have it evicted: before a clock runs out,
    /// the primary is given the request by others.
    fn relay_late_requests(&mut self, effects: &mut Effects) {
        let primary = self.primary();
        let (now, timeout) = (self.now.monotonic, self.request_timeout());
        let Some(late) = now.checked_sub(timeout / 2) else {
            return;
        };
        let again = now.saturating_sub(timeout);
        let late = self.pool.take_late([late, again, now], FETCH_NAMES);
        if !late.is_empty() && primary != self.config.replica {
            self.give_to_primary(late, effects);
        }
    }

    /// Gives the primary one request that it may have, to see how long it takes then.
    fn probe(&mut self, effects: &mut Effects) {
        let now = self.now.monotonic;
        if self.probe_due().is_some_and(|due| now >= due) {
            let probe = self.pool.take_probe();
            self.give_to_primary(probe.into_iter().collect(), effects);
        }
    }

    fn give_to_primary(&mut self, requests: Vec<KnownRequest>, effects: &mut Effects) {
        for request in &requests {
            self.pace.give(request.id, request.bytes.len());
        }
        let names: Vec<RequestId> = requests.iter().map(|request| request.id).collect();
        let bodies = requests.into_iter().map(|request| request.bytes).collect();
        let supply = Frame::Supply(Supply::Requests(bodies));
        effects.direct.push((self.primary(), supply));
        self.send_words(self.primary(), &names, effects);
    }

    /// A PRE-PREPARE that is not committed runs a clock too; what is committed runs none, so a
    /// slow app evicts nobody.
    fn oldest_proposal(&self) -> Option<(Duration, Sequence)> {
        let above = self.slots.range(self.dispatched.next()..);
        let open = above.filter(|(_, slot)| slot.committed.is_none());
        let proposed = open.filter(|(_, slot)| slot.pre_prepared_in(self.view).is_some());
        proposed
            .map(|(sequence, slot)| (slot.pre_prepared_at, *sequence))
            .min()
    }

    /// Progress on other requests gives the primary more time for one that waits, as in OSDI'99
    /// §4.4; but not for ever, or it could starve a client by serving the others.
    fn deadline(&self, since: Duration) -> Duration {
        let timeout = self.request_timeout();
        let patient = since.max(self.last_progress) + timeout;
        patient.min(since + timeout * PATIENCE)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.config.request_timeout * self.factor()
    }

    /// Timeouts double with each view change in a row, up to a cap, and reset on progress.
    pub(crate) fn factor(&self) -> u32 {
        if is_on(Bug::TimerNeverDoubles) {
            return 1;
        }
        1 << self.doublings.saturating_sub(1).min(TIMEOUT_DOUBLINGS)
    }
}
