//! How fast a primary proposes, and when it is too slow to stay. (docs/protocol.md, "Leaving a
//! primary"; Clement et al., *Making Byzantine Fault Tolerant Systems Tolerate Byzantine Faults*,
//! NSDI '09)
//!
//! A delay runs from the moment at which this replica gave the primary a request until a proposal
//! names it, and only while nothing excuses the primary. The yardsticks are what the primary
//! cannot stretch: earlier views, and how long agreement takes among the others.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::limits::{
    EVICTION_DECAY, EVICTION_DOUBLINGS, FEW_DELAYS, GIVEN_REQUESTS, MEASURED_BYTES, PIPELINE,
    RECENT_DELAYS, SLOWNESS, SLOWNESS_FLOOR,
};
use crate::message::Subject;
use crate::replica::Replica;
use crate::types::{RequestId, Sequence};

/// What is measured of the current view's primary, and what was of those before.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// A clock that runs only while the primary has no excuse.
    owed: Duration,
    runs: bool,
    read_at: Duration,
    /// What the clock said when this replica gave the primary a request.
    given: BTreeMap<RequestId, Duration>,
    /// This view's newest delays.
    delays: Recent,
    /// How long the newest agreements took, from the own PREPARE on.
    agreements: Recent,
    /// The usual delay of each of the last n views that were measured.
    views: VecDeque<Duration>,
    evictions: u32,
    evicted_at: Duration,
}

impl Pace {
    /// Moves the clock to `now`.
    pub(crate) fn tick(&mut self, now: Duration) {
        if self.runs {
            self.owed += now.saturating_sub(self.read_at);
        }
        self.read_at = now;
    }

    /// Says whether the primary has an excuse from now on.
    pub(crate) const fn set_running(&mut self, runs: bool) {
        self.runs = runs;
    }

    /// Notes that the primary is given a request. A sample of them is enough.
    pub(crate) fn give(&mut self, id: RequestId, bytes: usize) {
        if self.given.len() < GIVEN_REQUESTS && bytes <= MEASURED_BYTES {
            self.given.entry(id).or_insert(self.owed);
        }
    }

    /// Whether a request is on its way to a proposal, so that a delay will be known.
    pub(crate) fn is_measuring(&self) -> bool {
        !self.given.is_empty()
    }

    /// Notes that the primary proposed a request.
    pub(crate) fn note_proposed(&mut self, id: &RequestId) {
        if let Some(given) = self.given.remove(id) {
            self.delays.note(self.owed.saturating_sub(given));
        }
    }

    /// Forgets a request that was ordered without a proposal's having been seen.
    pub(crate) fn forget(&mut self, id: &RequestId) {
        self.given.remove(id);
    }

    /// Notes how long it took from the own PREPARE until the batch was committed.
    pub(crate) fn note_agreement(&mut self, took: Duration) {
        self.agreements.note(took);
    }

    /// Begins to measure another primary; `members` views are remembered.
    pub(crate) fn enter_view(&mut self, members: usize) {
        if let Some(usual) = self.usual_delay() {
            self.views.push_back(usual);
            while self.views.len() > members {
                self.views.pop_front();
            }
        }
        self.delays = Recent::default();
        self.given.clear();
    }

    /// Notes that a primary was left for its slowness.
    pub(crate) fn note_eviction(&mut self, now: Duration) {
        self.evictions = (self.doublings(now) + 1).min(EVICTION_DOUBLINGS);
        self.evicted_at = now;
    }

    /// Whether the primary's usual delay is beyond the limit. Before agreement was measured that
    /// would be to judge the network.
    pub(crate) fn is_slow(&self, now: Duration, request_timeout: Duration) -> bool {
        let limit = self.limit(now, request_timeout);
        let measured = self.agreements.len() >= FEW_DELAYS;
        measured && self.usual_delay().is_some_and(|usual| usual > limit)
    }

    /// What a primary's usual delay may be. What a primary could stretch of it by keeping bodies
    /// from some, agreement, counts up to half a request timeout only.
    pub(crate) fn limit(&self, now: Duration, request_timeout: Duration) -> Duration {
        let best = self.views.iter().min().copied().unwrap_or_default();
        let agreement = self.agreements.median.unwrap_or_default();
        let yardstick = best.max(agreement.min(request_timeout / (2 * SLOWNESS)));
        let limit = SLOWNESS_FLOOR.max(yardstick * SLOWNESS);
        limit * 2_u32.pow(self.doublings(now))
    }

    /// Each eviction doubles the limit, so that primaries which are all slow alike are kept in the
    /// end; with time that wears off.
    fn doublings(&self, now: Duration) -> u32 {
        let since = now.saturating_sub(self.evicted_at);
        let worn_off = since.as_secs() / EVICTION_DECAY.as_secs();
        let worn_off = u32::try_from(worn_off).unwrap_or(u32::MAX);
        self.evictions.saturating_sub(worn_off)
    }

    fn usual_delay(&self) -> Option<Duration> {
        let enough = self.delays.len() >= FEW_DELAYS;
        self.delays.median.filter(|_| enough)
    }
}

/// The newest of something that is measured, and its median: that is asked for with every event,
/// and changes with few.
#[derive(Debug, Default)]
struct Recent {
    values: VecDeque<Duration>,
    /// The middle one, or the lower of the two in the middle.
    median: Option<Duration>,
}

impl Recent {
    fn note(&mut self, value: Duration) {
        self.values.push_back(value);
        if self.values.len() > RECENT_DELAYS {
            self.values.pop_front();
        }
        let mut sorted: Vec<Duration> = self.values.iter().copied().collect();
        sorted.sort_unstable();
        self.median = sorted.get((sorted.len() - 1) / 2).copied();
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}

impl Replica {
    /// Whether a correct primary would propose now: requests wait, a proposal has room in pipeline
    /// and window, and the app has nothing to do.
    pub(crate) fn primary_owes(&self) -> bool {
        let backup = !self.changing && !self.is_primary();
        backup
            && self.pool.unproposed() > 0
            && self.executed >= self.dispatched
            && self.proposals_have_room()
    }

    fn proposals_have_room(&self) -> bool {
        let mut slots = self.slots.iter().rev();
        let last = slots.find(|(_, slot)| slot.pre_prepared_in(self.view).is_some());
        let last = last.map_or(self.dispatched, |(sequence, _)| *sequence);
        let last = last.max(self.dispatched).max(self.fresh_above);
        let in_flight = last.0 - self.dispatched.0;
        in_flight < PIPELINE as u64 && last < self.last_for_requests()
    }

    /// The subject of a suspicion, when the primary's usual delay is beyond the limit.
    pub(crate) fn slowness(&self) -> Option<Subject> {
        let (now, timeout) = (self.now.monotonic, self.config.request_timeout);
        let slow = !self.is_primary() && self.pace.is_slow(now, timeout);
        slow.then_some(Subject::Slow)
    }

    /// When the oldest waiting request is to be given to the primary so as to measure: one at a
    /// time, where no request of this replica's own gateway is measured already.
    pub(crate) fn probe_due(&self) -> Option<Duration> {
        if self.is_primary() || self.pace.is_measuring() {
            return None;
        }
        let (now, timeout) = (self.now.monotonic, self.config.request_timeout);
        let since = self.pool.unprobed()?;
        Some(since + self.pace.limit(now, timeout))
    }

    /// An agreement that took as long as it does among the others.
    pub(crate) fn note_agreement(&mut self, sequence: Sequence) {
        let slot = self.slots.get(&sequence);
        let prepared = slot.filter(|slot| slot.prepare_sent == Some(self.view));
        if let Some(since) = prepared.and_then(|slot| slot.prepared_at) {
            let took = self.now.monotonic.saturating_sub(since);
            self.pace.note_agreement(took);
        }
    }
}

#[cfg(test)]
mod tests {
    use byzantine_proof::Digest;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn id(number: u64) -> RequestId {
        RequestId(Digest::of(&number.to_be_bytes()))
    }

    /// A view whose primary takes `delay` for each request.
    fn view_of(pace: &mut Pace, delay: Duration, requests: u64) {
        pace.enter_view(4);
        for number in 0..requests {
            pace.set_running(true);
            pace.give(id(number), 1);
            pace.tick(pace.read_at + delay);
            pace.note_proposed(&id(number));
        }
    }

    #[test]
    fn a_few_delays_say_nothing_and_one_slow_one_says_little() {
        let mut pace = Pace::default();
        let few = FEW_DELAYS as u64 - 1;
        view_of(&mut pace, ms(1900), few + 1);
        assert!(
            !pace.is_slow(pace.read_at, TIMEOUT),
            "the network may be as slow"
        );
        for _ in 0..FEW_DELAYS {
            pace.note_agreement(ms(10));
        }
        assert!(pace.is_slow(pace.read_at, TIMEOUT));
        pace.enter_view(4);
        pace.views.clear();
        view_of(&mut pace, ms(1900), few);
        assert!(!pace.is_slow(pace.read_at, TIMEOUT));
        pace.views.clear();
        view_of(&mut pace, ms(10), few + 1);
        pace.give(id(99), 1);
        pace.tick(pace.read_at + ms(1900));
        pace.note_proposed(&id(99));
        assert!(!pace.is_slow(pace.read_at, TIMEOUT));
    }

    #[test]
    fn excused_time_does_not_count() {
        let mut pace = Pace::default();
        for number in 0..8 {
            pace.give(id(number), 1);
            pace.set_running(false);
            pace.tick(pace.read_at + ms(5000));
            pace.set_running(true);
            pace.tick(pace.read_at + ms(20));
            pace.note_proposed(&id(number));
        }
        assert_eq!(pace.usual_delay(), Some(ms(20)));
    }

    #[test]
    fn the_limit_follows_the_best_of_the_last_views_and_agreement() {
        let mut pace = Pace::default();
        assert_eq!(pace.limit(ms(0), TIMEOUT), SLOWNESS_FLOOR);
        for delay in [300, 40, 500] {
            view_of(&mut pace, ms(delay), 8);
        }
        assert_eq!(pace.limit(ms(0), TIMEOUT), ms(160), "four times the best");
        for _ in 0..4 {
            view_of(&mut pace, ms(200), 8);
        }
        pace.enter_view(4);
        assert_eq!(
            pace.limit(ms(0), TIMEOUT),
            ms(800),
            "the fast one is five views ago"
        );
        let mut pace = Pace::default();
        pace.note_agreement(ms(60));
        assert_eq!(pace.limit(ms(0), TIMEOUT), ms(240));
        pace.note_agreement(ms(100));
        assert_eq!(pace.limit(ms(0), TIMEOUT), ms(240), "the lower of two");
        for _ in 0..RECENT_DELAYS {
            pace.note_agreement(ms(5000));
        }
        assert_eq!(
            pace.limit(ms(0), TIMEOUT),
            ms(1000),
            "bodies may have been kept from some"
        );
    }

    #[test]
    fn each_eviction_doubles_the_limit_and_that_wears_off() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            pace.note_eviction(ms(1000));
        }
        assert_eq!(pace.limit(ms(1000), TIMEOUT), SLOWNESS_FLOOR * 8);
        let later = ms(1000) + EVICTION_DECAY;
        assert_eq!(pace.limit(later, TIMEOUT), SLOWNESS_FLOOR * 4);
        assert_eq!(
            pace.limit(later + EVICTION_DECAY * 9, TIMEOUT),
            SLOWNESS_FLOOR
        );
        pace.note_eviction(later);
        assert_eq!(pace.limit(later, TIMEOUT), SLOWNESS_FLOOR * 8);
        for _ in 0..99 {
            pace.note_eviction(later);
        }
        assert_eq!(
            pace.limit(later, TIMEOUT),
            SLOWNESS_FLOOR * 2_u32.pow(EVICTION_DOUBLINGS)
        );
    }

    #[test]
    fn what_is_measured_is_bounded() {
        let mut pace = Pace::default();
        for number in 0..9999 {
            pace.give(id(number), 1);
            pace.note_agreement(ms(1));
        }
        assert_eq!(
            (pace.given.len(), pace.agreements.len()),
            (GIVEN_REQUESTS, RECENT_DELAYS)
        );
        for number in 0..9999 {
            pace.note_proposed(&id(number));
        }
        assert_eq!((pace.given.len(), pace.delays.len()), (0, RECENT_DELAYS));
        pace.give(id(1), 1);
        pace.forget(&id(1));
        assert!(!pace.is_measuring());
        pace.give(id(1), MEASURED_BYTES + 1);
        assert!(!pace.is_measuring(), "long bodies take their time");
    }
}
