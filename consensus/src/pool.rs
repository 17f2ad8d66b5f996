//! Requests that are known but not yet ordered to run, with the clock that each one runs.
//!
//! Bounded: a gateway's requests beyond its quota are refused, unless a batch inside the window
//! already names them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use byzantine_proof::ReplicaId;

use crate::limits::{BATCH_BYTES, BATCH_REQUESTS, KNOWN_REQUESTS};
use crate::request::KnownRequest;
use crate::sabotage::{Bug, is_on};
use crate::types::RequestId;

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
    arrival: u64,
}

/// All known, unexecuted requests.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    requests: BTreeMap<RequestId, Pooled>,
    queue: BTreeMap<u64, RequestId>,
    /// The clocks of those that wait for their answer, the oldest first.
    clocks: BTreeSet<(Duration, RequestId)>,
    by_gateway: BTreeMap<ReplicaId, usize>,
    answered: usize,
    arrivals: u64,
}

impl Pool {
    /// Whether the body is here.
    pub(crate) fn contains(&self, id: &RequestId) -> bool {
        self.requests.contains_key(id)
    }

    /// The body and what derives from it.
    pub(crate) fn request(&self, id: &RequestId) -> Option<&KnownRequest> {
        self.requests.get(id).map(|pooled| &pooled.request)
    }

    /// How many requests wait for their answer.
    pub(crate) fn len(&self) -> usize {
        self.requests.len() - self.answered
    }

    /// How many of them `gateway` admitted.
    pub(crate) fn of_gateway(&self, gateway: ReplicaId) -> usize {
        self.by_gateway.get(&gateway).copied().unwrap_or(0)
    }

    /// Whether `gateway` may add another.
    pub(crate) fn has_room(&self, gateway: ReplicaId) -> bool {
        self.of_gateway(gateway) < KNOWN_REQUESTS || is_on(Bug::QuotaIgnored)
    }

    /// Adds a request and starts its clock; `false` when it is known already.
    pub(crate) fn insert(&mut self, request: KnownRequest, by: ReplicaId, now: Duration) -> bool {
        if self.contains(&request.id) {
            return false;
        }
        self.arrivals += 1;
        self.queue.insert(self.arrivals, request.id);
        self.clocks.insert((now, request.id));
        *self.by_gateway.entry(by).or_default() += 1;
        let pooled = Pooled {
            gateway: by,
            since: now,
            relayed: None,
            probed: false,
            proposed: false,
            answered: false,
            arrival: self.arrivals,
            request,
        };
        self.requests.insert(pooled.request.id, pooled);
        true
    }

    /// Adds the body of a request that was answered already, for a batch that names it again. It
    /// runs no clock and is not proposed.
    pub(crate) fn insert_answered(&mut self, request: KnownRequest, by: ReplicaId, now: Duration) {
        let id = request.id;
        if self.insert(request, by, now) {
            self.mark_proposed(&id);
            self.answered += 1;
            if let Some(pooled) = self.requests.get_mut(&id) {
                pooled.answered = true;
            }
            self.clocks.remove(&(now, id));
        }
    }

    /// Drops the bodies of answered requests that no waiting batch needs any more.
    pub(crate) fn drop_answered(&mut self, needed: impl Fn(&RequestId) -> bool) {
        if self.answered == 0 {
            return;
        }
        let answered = self.requests.iter().filter(|(_, pooled)| pooled.answered);
        let idle = answered.map(|(id, _)| *id).filter(|id| !needed(id));
        for id in idle.collect::<Vec<_>>() {
            self.remove(&id);
        }
    }

    /// Takes out a request that runs now.
    pub(crate) fn remove(&mut self, id: &RequestId) -> Option<KnownRequest> {
        let pooled = self.requests.remove(id)?;
        self.queue.remove(&pooled.arrival);
        self.clocks.remove(&(pooled.since, *id));
        self.answered -= usize::from(pooled.answered);
        if let Some(count) = self.by_gateway.get_mut(&pooled.gateway) {
            *count -= 1;
        }
        Some(pooled.request)
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
            if !pooled.answered {
                self.clocks.insert((now, *id));
            }
            (pooled.since, pooled.relayed, pooled.probed) = (now, None, false);
            pooled.proposed = pooled.answered || named.contains(id);
            if !pooled.proposed {
                self.queue.insert(pooled.arrival, *id);
            }
        }
    }

    /// How many requests no batch of this view names.
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
            !pooled.proposed && !relayed && pooled.since <= late
        });
        due.take(most)
            .map(|pooled| {
                pooled.relayed = Some(now);
                pooled.request.clone()
            })
            .collect()
    }

    /// All requests with the gateway that brought them, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ReplicaId, &KnownRequest)> {
        self.requests
            .values()
            .map(|pooled| (pooled.gateway, &pooled.request))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use byzantine_proof::Digest;

    use super::*;
    use crate::request::KeySource;

    fn request(number: u8, length: usize) -> KnownRequest {
        KnownRequest {
            id: RequestId(Digest::of(&[number])),
            key_hash: Digest::of(&[number, 1]),
            key_source: KeySource::Client,
            bytes: Bytes::from(vec![0; length]),
        }
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_but_never_empty() {
        let mut pool = Pool::default();
        let now = Duration::ZERO;
        for number in 0..3 {
            assert!(pool.insert(request(number, BATCH_BYTES / 2 + 1), ReplicaId(0), now));
        }
        assert_eq!(pool.next_batch(), [request(0, 0).id]);
        pool.remove(&request(0, 0).id);
        assert_eq!(pool.len(), 2);
        assert_eq!(pool.of_gateway(ReplicaId(0)), 2);
    }

    #[test]
    fn an_answered_request_is_a_body_and_nothing_else() {
        let mut pool = Pool::default();
        pool.insert_answered(request(0, 1), ReplicaId(0), Duration::ZERO);
        pool.enter_view(&BTreeSet::new(), Duration::ZERO);
        assert!(pool.contains(&request(0, 1).id));
        assert_eq!((pool.len(), pool.oldest(), pool.unproposed()), (0, None, 0));
        pool.drop_answered(|_| true);
        assert!(pool.contains(&request(0, 1).id));
        pool.drop_answered(|_| false);
        assert!(!pool.contains(&request(0, 1).id));
        assert_eq!((pool.len(), pool.of_gateway(ReplicaId(0))), (0, 0));
    }

    #[test]
    fn a_new_view_proposes_again_what_it_does_not_name() {
        let mut pool = Pool::default();
        for number in 0..2 {
            pool.insert(request(number, 1), ReplicaId(0), Duration::ZERO);
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
