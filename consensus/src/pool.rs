//! Requests that are known but not yet ordered to run, with the clock that each one runs.
//!
//! A request waits to be ordered once a gateway has vouched for it; before that, and once it was
//! answered, it is an idle body. Bounded: a gateway's requests beyond its quota are refused,
//! unless a batch inside the window already names them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use byzantine_proof::ReplicaId;

use crate::batch::Admission;
use crate::limits::{BATCH_BYTES, BATCH_REQUESTS, KNOWN_REQUESTS};
use crate::request::KnownRequest;
use crate::sabotage::{Bug, is_on};
use crate::signed::SignedMessage;
use crate::types::{RequestId, Sequence};
use crate::word::{Admissions, Word, keep_later, shows};

/// One known request.
#[derive(Debug)]
struct Pooled {
    request: KnownRequest,
    gateway: ReplicaId,
    since: Duration,
    /// When it was last given to the primary by this replica.
    relayed: Option<Duration>,
    /// Whether it was given to the primary so as to see how fast that is.
    probed: bool,
    proposed: bool,
    /// Whether it was answered: a waiting batch names it again and needs its body, nothing else.
    answered: bool,
    admissions: Admissions,
    /// Whose words of these are used up: they show who was charged, and nobody waits on them.
    spent: BTreeSet<ReplicaId>,
    arrival: u64,
}

impl Pooled {
    /// Whether it is to be ordered, and its clock runs.
    fn waits(&self) -> bool {
        !self.answered && self.admissions.len() > self.spent.len()
    }
}

/// All known, unexecuted requests.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    requests: BTreeMap<RequestId, Pooled>,
    queue: BTreeMap<u64, RequestId>,
    /// The clocks of those that wait for their answer, the oldest first.
    clocks: BTreeSet<(Duration, RequestId)>,
    by_gateway: BTreeMap<ReplicaId, usize>,
    /// How many do not wait.
    idle: usize,
    arrivals: u64,
    /// No word here is older.
    oldest_word: Sequence,
}

impl Pool {
    /// Whether the body is here.
    pub(crate) fn contains(&self, id: &RequestId) -> bool {
        self.requests.contains_key(id)
    }

    /// Whether the request is to be ordered.
    pub(crate) fn waits(&self, id: &RequestId) -> bool {
        self.requests.get(id).is_some_and(Pooled::waits)
    }

    /// The body and what derives from it.
    pub(crate) fn request(&self, id: &RequestId) -> Option<&KnownRequest> {
        self.requests.get(id).map(|pooled| &pooled.request)
    }

    /// When the clock of a request that waits started.
    pub(crate) fn since(&self, id: &RequestId) -> Option<Duration> {
        let pooled = self.requests.get(id).filter(|pooled| pooled.waits());
        pooled.map(|pooled| pooled.since)
    }

    /// How many requests wait for their answer.
    pub(crate) fn len(&self) -> usize {
        self.requests.len() - self.idle
    }

    /// How many of them `gateway` admitted.
    pub(crate) fn of_gateway(&self, gateway: ReplicaId) -> usize {
        self.by_gateway.get(&gateway).copied().unwrap_or(0)
    }

    /// Whether `gateway` may add another.
    pub(crate) fn has_room(&self, gateway: ReplicaId) -> bool {
        self.of_gateway(gateway) < KNOWN_REQUESTS || is_on(Bug::QuotaIgnored)
    }

    /// Adds a body, idle until a gateway vouches for it; `false` when it is known already.
    pub(crate) fn insert(&mut self, request: KnownRequest, by: ReplicaId, now: Duration) -> bool {
        if self.contains(&request.id) {
            return false;
        }
        self.arrivals += 1;
        self.idle += 1;
        *self.by_gateway.entry(by).or_default() += 1;
        let pooled = Pooled {
            gateway: by,
            since: now,
            relayed: None,
            probed: false,
            proposed: false,
            answered: false,
            admissions: Admissions::new(),
            spent: BTreeSet::new(),
            arrival: self.arrivals,
            request,
        };
        self.requests.insert(pooled.request.id, pooled);
        true
    }

    /// Notes that `gateway` vouches for a request; its clock starts with the first who does.
    /// `false` when that was known, or the body is not here.
    pub(crate) fn admit(
        &mut self,
        id: &RequestId,
        (gateway, word): (ReplicaId, Word),
        now: Duration,
    ) -> bool {
        let Some(pooled) = self.requests.get_mut(id) else {
            return false;
        };
        let waited = pooled.waits();
        self.oldest_word = self.oldest_word.min(word.as_of);
        let news = keep_later(&mut pooled.admissions, gateway, word);
        if !pooled.spent.remove(&gateway) && !news {
            return false;
        }
        if pooled.waits() && !waited {
            self.start_clock(id, now);
        }
        true
    }

    /// A request that was idle waits from now on.
    fn start_clock(&mut self, id: &RequestId, now: Duration) {
        if let Some(pooled) = self.requests.get_mut(id) {
            (pooled.since, pooled.relayed) = (now, None);
            self.idle -= 1;
            self.clocks.insert((now, *id));
            if !pooled.proposed {
                self.queue.insert(pooled.arrival, *id);
            }
        }
    }

    /// Notes a word that is used up, unless an earlier one of that gateway's is not. `false` when
    /// that is known, or the body is not here.
    pub(crate) fn note_spent(
        &mut self,
        id: &RequestId,
        (gateway, word): (ReplicaId, Word),
    ) -> bool {
        let Some(pooled) = self.requests.get_mut(id) else {
            return false;
        };
        if !pooled.admissions.contains_key(&gateway) {
            pooled.spent.insert(gateway);
        }
        self.oldest_word = self.oldest_word.min(word.as_of);
        keep_later(&mut pooled.admissions, gateway, word)
    }

    /// Drops the words of before `forgotten`. What nobody else vouches for waits no more.
    pub(crate) fn drop_lapsed(&mut self, forgotten: Sequence) {
        if forgotten <= self.oldest_word || is_on(Bug::WordsKept) {
            return;
        }
        self.oldest_word = Sequence(u64::MAX);
        for (id, pooled) in &mut self.requests {
            let waited = pooled.waits();
            pooled.admissions.retain(|_, word| word.as_of >= forgotten);
            let left = &pooled.admissions;
            pooled.spent.retain(|gateway| left.contains_key(gateway));
            let oldest = left.values().map(|word| word.as_of).min();
            self.oldest_word = oldest.map_or(self.oldest_word, |it| it.min(self.oldest_word));
            if waited && !pooled.waits() {
                self.idle += 1;
                self.queue.remove(&pooled.arrival);
                self.clocks.remove(&(pooled.since, *id));
            }
        }
    }

    /// The words for a request that are not used up.
    pub(crate) fn vouching(&self, id: &RequestId) -> impl Iterator<Item = Admission> + '_ {
        let pooled = self.requests.get(id).into_iter();
        pooled.flat_map(|pooled| {
            let known = pooled.admissions.iter();
            let left = known.filter(|(gateway, _)| !pooled.spent.contains(*gateway));
            left.map(|(gateway, word)| Admission {
                gateway: *gateway,
                as_of: word.as_of,
            })
        })
    }

    /// Whether a gateway's word for a request is here.
    pub(crate) fn has_word(&self, id: &RequestId, admission: Admission) -> bool {
        let pooled = self.requests.get(id);
        pooled.is_some_and(|pooled| shows(&pooled.admissions, admission))
    }

    /// The signed words of those who vouch for a request.
    pub(crate) fn words(&self, id: &RequestId) -> impl Iterator<Item = &Arc<SignedMessage>> {
        let pooled = self.requests.get(id).into_iter();
        let words = pooled.flat_map(|pooled| pooled.admissions.values());
        words.filter_map(|word| word.signed.as_ref())
    }

    /// Notes that a request was answered: it runs no clock and is not proposed, but a batch that
    /// names it again needs its body.
    pub(crate) fn mark_answered(&mut self, id: &RequestId) {
        if let Some(pooled) = self.requests.get_mut(id) {
            self.idle += usize::from(pooled.waits());
            pooled.answered = true;
            self.queue.remove(&pooled.arrival);
            self.clocks.remove(&(pooled.since, *id));
        }
    }

    /// Notes that the key of an answered request is forgotten. A gateway may have vouched for it
    /// anew before that was seen here; then it waits from now on.
    pub(crate) fn mark_forgotten(&mut self, id: &RequestId, now: Duration) {
        let answered = |pooled: &&mut Pooled| pooled.answered;
        if let Some(pooled) = self.requests.get_mut(id).filter(answered) {
            pooled.answered = false;
            if pooled.waits() {
                self.start_clock(id, now);
            }
        }
    }

    /// Drops the idle bodies that no waiting batch needs any more.
    pub(crate) fn drop_idle(&mut self, needed: impl Fn(&RequestId) -> bool) {
        if self.idle == 0 {
            return;
        }
        let idle = self.requests.iter().filter(|(_, pooled)| !pooled.waits());
        let idle = idle.map(|(id, _)| *id).filter(|id| !needed(id));
        for id in idle.collect::<Vec<_>>() {
            self.remove(&id);
        }
    }

    /// Takes out a request that runs now, with who vouched for it.
    pub(crate) fn remove(&mut self, id: &RequestId) -> Option<(KnownRequest, Admissions)> {
        let pooled = self.requests.remove(id)?;
        self.queue.remove(&pooled.arrival);
        self.clocks.remove(&(pooled.since, *id));
        self.idle -= usize::from(!pooled.waits());
        if let Some(count) = self.by_gateway.get_mut(&pooled.gateway) {
            *count -= 1;
        }
        Some((pooled.request, pooled.admissions))
    }

    /// Notes that a batch of the current view names this request.
    pub(crate) fn mark_proposed(&mut self, id: &RequestId) {
        if let Some(pooled) = self.requests.get_mut(id) {
            pooled.proposed = true;
            self.queue.remove(&pooled.arrival);
        }
    }

    /// Starts afresh in a new view: every clock at `now`, proposed only what the view names.
    pub(crate) fn enter_view(&mut self, named: &BTreeSet<RequestId>, now: Duration) {
        self.queue.clear();
        self.clocks.clear();
        for (id, pooled) in &mut self.requests {
            (pooled.since, pooled.relayed, pooled.probed) = (now, None, false);
            pooled.proposed = named.contains(id);
            if pooled.waits() {
                self.clocks.insert((now, *id));
            }
            if pooled.waits() && !pooled.proposed {
                self.queue.insert(pooled.arrival, *id);
            }
        }
    }

    /// How many waiting requests no batch of this view names.
    pub(crate) fn unproposed(&self) -> usize {
        self.queue.len()
    }

    /// The next requests to propose, oldest first, within the limits of a batch.
    pub(crate) fn next_batch(&self) -> Vec<RequestId> {
        let mut bytes = 0;
        let names = self.queue.values().take(BATCH_REQUESTS);
        names
            .take_while(|id| {
                let first = bytes == 0;
                bytes += self
                    .requests
                    .get(id)
                    .map_or(0, |pooled| pooled.request.bytes.len());
                first || bytes <= BATCH_BYTES
            })
            .copied()
            .collect()
    }

    /// When the clock of the first request that no batch of this view names started, unless that
    /// request was probed with.
    pub(crate) fn unprobed(&self) -> Option<Duration> {
        let (_, id) = self.queue.first_key_value()?;
        let pooled = self.requests.get(id);
        let pooled = pooled.filter(|pooled| !pooled.probed && !is_on(Bug::NeverRelayed));
        pooled.map(|pooled| pooled.since)
    }

    /// That request; it counts as probed with.
    pub(crate) fn take_probe(&mut self) -> Option<KnownRequest> {
        let (_, id) = self.queue.first_key_value()?;
        let pooled = self.requests.get_mut(id)?;
        pooled.probed = true;
        Some(pooled.request.clone())
    }

    /// When the oldest clock started.
    pub(crate) fn oldest(&self) -> Option<(Duration, RequestId)> {
        self.clocks.first().copied()
    }

    /// Requests whose clocks started before `late` and that were not relayed since `again`; they
    /// count as relayed `now`. Once is not enough: the primary may have been down then.
    pub(crate) fn take_late(
        &mut self,
        [late, again, now]: [Duration; 3],
        most: usize,
    ) -> Vec<KnownRequest> {
        let none = self.clocks.first().is_none_or(|(since, _)| *since > late);
        if none || is_on(Bug::NeverRelayed) {
            return Vec::new();
        }
        let waiting = self.requests.values_mut();
        let due = waiting.filter(|pooled| {
            let relayed = pooled.relayed.is_some_and(|at| at > again);
            pooled.waits() && !pooled.proposed && !relayed && pooled.since <= late
        });
        due.take(most)
            .map(|pooled| {
                pooled.relayed = Some(now);
                pooled.request.clone()
            })
            .collect()
    }

    /// All requests with the replica that brought them and those who vouch for them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ReplicaId, &KnownRequest, &Admissions)> {
        self.requests
            .values()
            .map(|pooled| (pooled.gateway, &pooled.request, &pooled.admissions))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use byzantine_proof::Digest;

    use super::*;
    use crate::request::KeySource;

    const WORD: Word = Word {
        as_of: Sequence(5),
        signed: None,
    };

    fn request(number: u8, length: usize) -> KnownRequest {
        KnownRequest {
            id: RequestId(Digest::of(&[number])),
            key_hash: Digest::of(&[number, 1]),
            key_source: KeySource::Client,
            bytes: Bytes::from(vec![0; length]),
        }
    }

    fn vouching(pool: &Pool, id: &RequestId) -> Vec<ReplicaId> {
        pool.vouching(id).map(|it| it.gateway).collect()
    }

    /// Adds a request for which gateway 0 vouches.
    fn add(pool: &mut Pool, request: KnownRequest) {
        let id = request.id;
        assert!(pool.insert(request, ReplicaId(0), Duration::ZERO));
        assert!(pool.admit(&id, (ReplicaId(0), WORD), Duration::ZERO));
    }

    #[test]
    fn a_body_waits_for_nothing_until_a_gateway_vouches_for_it() {
        let mut pool = Pool::default();
        let id = request(0, 1).id;
        assert!(pool.insert(request(0, 1), ReplicaId(3), Duration::ZERO));
        assert_eq!((pool.len(), pool.oldest(), pool.unproposed()), (0, None, 0));
        assert!(pool.take_late([Duration::MAX; 3], 9).is_empty());
        let late = Duration::from_secs(5);
        assert!(pool.admit(&id, (ReplicaId(1), WORD), late));
        assert_eq!((pool.len(), pool.oldest()), (1, Some((late, id))));
        assert_eq!(pool.next_batch(), [id]);
        assert!(
            pool.admit(&id, (ReplicaId(2), WORD), late * 2),
            "another one vouches too"
        );
        assert_eq!(pool.oldest(), Some((late, id)), "and the clock runs on");
        assert_eq!(vouching(&pool, &id), [ReplicaId(1), ReplicaId(2)]);
        let other = request(1, 1).id;
        assert!(
            !pool.admit(&other, (ReplicaId(1), WORD), late),
            "its body is not here"
        );
    }

    #[test]
    fn a_word_that_is_used_up_is_known_and_not_waited_on() {
        let mut pool = Pool::default();
        let id = request(0, 1).id;
        pool.insert(request(0, 1), ReplicaId(3), Duration::ZERO);
        assert!(pool.note_spent(&id, (ReplicaId(1), WORD)));
        assert!(!pool.note_spent(&id, (ReplicaId(1), WORD)));
        let word = |gateway, as_of| Admission {
            gateway: ReplicaId(gateway),
            as_of: Sequence(as_of),
        };
        assert!(pool.has_word(&id, word(1, 5)) && pool.has_word(&id, word(1, 4)));
        assert!(!pool.has_word(&id, word(1, 6)) && !pool.has_word(&id, word(2, 5)));
        assert_eq!((pool.len(), pool.vouching(&id).count()), (0, 0));
        assert!(pool.admit(&id, (ReplicaId(1), WORD), Duration::ZERO));
        assert_eq!((pool.len(), pool.unproposed()), (1, 1));
        assert!(!pool.note_spent(&id, (ReplicaId(1), WORD)));
        assert_eq!(vouching(&pool, &id), [ReplicaId(1)]);
        pool.remove(&id);
        assert_eq!((pool.len(), pool.oldest()), (0, None));
    }

    #[test]
    fn a_request_waits_until_the_last_word_for_it_has_lapsed() {
        let mut pool = Pool::default();
        add(&mut pool, request(0, 1));
        add(&mut pool, request(1, 1));
        let later = Word {
            as_of: Sequence(7),
            ..WORD
        };
        let (old, renewed) = (request(0, 1).id, request(1, 1).id);
        assert!(pool.admit(&renewed, (ReplicaId(0), later), Duration::ZERO));
        assert!(
            !pool.admit(&renewed, (ReplicaId(0), WORD), Duration::ZERO),
            "an earlier word is no news"
        );
        pool.drop_lapsed(Sequence(5));
        assert_eq!(pool.len(), 2);
        pool.drop_lapsed(Sequence(6));
        assert_eq!((pool.len(), pool.unproposed()), (1, 1));
        assert_eq!(pool.next_batch(), [renewed]);
        assert!(pool.contains(&old) && pool.vouching(&old).next().is_none());
        pool.drop_lapsed(Sequence(8));
        assert_eq!((pool.len(), pool.oldest()), (0, None));
        assert!(
            pool.admit(&old, (ReplicaId(1), WORD), Duration::ZERO),
            "anew"
        );
    }

    #[test]
    fn a_named_body_is_not_proposed_once_it_is_vouched_for() {
        let mut pool = Pool::default();
        let id = request(0, 1).id;
        pool.insert(request(0, 1), ReplicaId(3), Duration::ZERO);
        pool.mark_proposed(&id);
        assert!(pool.admit(&id, (ReplicaId(1), WORD), Duration::ZERO));
        assert_eq!((pool.len(), pool.unproposed()), (1, 0));
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_but_never_empty() {
        let mut pool = Pool::default();
        for number in 0..3 {
            add(&mut pool, request(number, BATCH_BYTES / 2 + 1));
        }
        assert_eq!(pool.next_batch(), [request(0, 0).id]);
        pool.remove(&request(0, 0).id);
        assert_eq!(pool.len(), 2);
        assert_eq!(pool.of_gateway(ReplicaId(0)), 2);
    }

    #[test]
    fn an_answered_request_is_a_body_and_nothing_else() {
        let mut pool = Pool::default();
        add(&mut pool, request(0, 1));
        pool.mark_answered(&request(0, 1).id);
        pool.enter_view(&BTreeSet::new(), Duration::ZERO);
        assert!(pool.contains(&request(0, 1).id));
        assert_eq!((pool.len(), pool.oldest(), pool.unproposed()), (0, None, 0));
        pool.drop_idle(|_| true);
        assert!(pool.contains(&request(0, 1).id));
        pool.drop_idle(|_| false);
        assert!(!pool.contains(&request(0, 1).id));
        assert_eq!((pool.len(), pool.of_gateway(ReplicaId(0))), (0, 0));
    }

    #[test]
    fn an_answer_that_is_forgotten_lets_a_request_wait_again() {
        let (later, id) = (Duration::from_secs(9), request(0, 1).id);
        let mut pool = Pool::default();
        add(&mut pool, request(0, 1));
        pool.mark_forgotten(&id, later);
        assert_eq!(pool.since(&id), Some(Duration::ZERO), "it waited before");
        pool.mark_answered(&id);
        pool.mark_forgotten(&id, later);
        assert_eq!((pool.since(&id), pool.len()), (Some(later), 1));
        assert_eq!((pool.oldest(), pool.unproposed()), (Some((later, id)), 1));
        pool.drop_idle(|_| false);
        assert!(pool.contains(&id));
    }

    #[test]
    fn a_body_whose_answer_is_forgotten_waits_for_a_word() {
        let id = request(0, 1).id;
        let mut pool = Pool::default();
        pool.insert(request(0, 1), ReplicaId(0), Duration::ZERO);
        pool.mark_answered(&id);
        pool.mark_forgotten(&id, Duration::ZERO);
        assert_eq!((pool.len(), pool.unproposed()), (0, 0));
        pool.admit(&id, (ReplicaId(0), WORD), Duration::ZERO);
        assert_eq!((pool.len(), pool.unproposed()), (1, 1));
    }

    #[test]
    fn what_waits_long_and_is_in_no_batch_is_given_to_the_primary_and_later_again() {
        let times = |late, again, now| [late, again, now].map(Duration::from_secs);
        let mut pool = Pool::default();
        for number in 0..3 {
            add(&mut pool, request(number, 1));
        }
        pool.mark_proposed(&request(1, 1).id);
        pool.insert(request(3, 1), ReplicaId(0), Duration::ZERO);
        let new = request(4, 1).id;
        pool.insert(request(4, 1), ReplicaId(0), Duration::ZERO);
        pool.admit(&new, (ReplicaId(0), WORD), Duration::from_secs(9));
        let mut taken = |times, most| {
            let taken = pool.take_late(times, most);
            let mut names: Vec<RequestId> = taken.iter().map(|it| it.id).collect();
            names.sort();
            names
        };
        let mut late = [0, 2].map(|number| request(number, 1).id);
        late.sort();
        assert_eq!(taken(times(1, 0, 2), 1).len(), 1);
        assert_eq!(taken(times(1, 0, 2), 9).len(), 1, "one was given already");
        assert_eq!(taken(times(1, 1, 3), 9), []);
        assert_eq!(taken(times(1, 2, 4), 9), late);
    }

    #[test]
    fn a_new_view_proposes_again_what_it_does_not_name() {
        let mut pool = Pool::default();
        for number in 0..2 {
            add(&mut pool, request(number, 1));
            pool.mark_proposed(&request(number, 1).id);
        }
        assert_eq!(pool.unproposed(), 0);
        pool.enter_view(&BTreeSet::from([request(1, 1).id]), Duration::from_secs(9));
        assert_eq!(pool.next_batch(), [request(0, 1).id]);
        assert_eq!(
            pool.oldest().map(|(since, _)| since),
            Some(Duration::from_secs(9))
        );
    }
}
