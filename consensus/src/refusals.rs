//! Which gateways' words for which requests are used up, since those had no room for their keys.
//!
//! What one replica remembers for itself, so that a limit ends a request. Nothing rests on it but
//! what is proposed and waited for; so it may be bounded, and is lost in a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use byzantine_proof::ReplicaId;

use crate::limits::{REFUSALS, TAKEN_UP, TAKEN_UP_DOUBLINGS};
use crate::types::RequestId;

/// The newest refusals of every gateway.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    gateways: BTreeMap<ReplicaId, OfGateway>,
    /// What was taken up again in this view, and for whom.
    taken_up: BTreeMap<ReplicaId, BTreeMap<RequestId, TakenUp>>,
}

/// How often a request was taken up again, and when that may be the next time.
#[derive(Debug, Default)]
struct TakenUp {
    times: u32,
    again: Duration,
    /// Whether it ran since.
    ran: bool,
}

#[derive(Debug, Default)]
struct OfGateway {
    /// When each was noted.
    requests: BTreeMap<RequestId, u64>,
    oldest_first: BTreeMap<u64, RequestId>,
    noted: u64,
}

impl Refusals {
    /// Notes that `gateway` was charged for a request and had no room.
    pub(crate) fn note(&mut self, id: RequestId, gateway: ReplicaId) {
        let of = self.gateways.entry(gateway).or_default();
        of.forget(&id);
        of.noted += 1;
        of.requests.insert(id, of.noted);
        of.oldest_first.insert(of.noted, id);
        if of.requests.len() > REFUSALS
            && let Some((_, oldest)) = of.oldest_first.pop_first()
        {
            of.requests.remove(&oldest);
        }
    }

    /// Whether this gateway's word for the request is used up.
    pub(crate) fn contains(&self, id: &RequestId, gateway: ReplicaId) -> bool {
        let of = self.gateways.get(&gateway);
        of.is_some_and(|of| of.requests.contains_key(id))
    }

    /// The gateway vouches for the request anew.
    pub(crate) fn renew(&mut self, id: &RequestId, gateway: ReplicaId) {
        if let Some(of) = self.gateways.get_mut(&gateway) {
            of.forget(id);
        }
    }

    /// A replica still waits for the request: every word for it counts again. Each time that takes
    /// twice as long for that replica, the first time `patience`; `false` where it is too early.
    /// Who asked before is served by this as well: a group that waits for one request has it taken
    /// up as seldom as one replica does. Of so many at a time is this remembered; then the one
    /// makes room whose time has come first.
    pub(crate) fn take_up(
        &mut self,
        (waits, id): (ReplicaId, &RequestId),
        now: Duration,
        patience: Duration,
    ) -> bool {
        let taken_up = self.taken_up.entry(waits).or_default();
        if taken_up.len() >= TAKEN_UP && !taken_up.contains_key(id) {
            let due = taken_up.iter().min_by_key(|(_, it)| it.again);
            let Some(due) = due.filter(|(_, it)| it.again <= now).map(|(id, _)| *id) else {
                return false;
            };
            taken_up.remove(&due);
        }
        let before = taken_up.entry(*id).or_default();
        if now < before.again {
            return false;
        }
        before.times += 1;
        let again = now + patience * 2_u32.pow(before.times.min(TAKEN_UP_DOUBLINGS));
        let times = before.times;
        let asked = self.taken_up.values_mut();
        for it in asked.filter_map(|taken_up| taken_up.get_mut(id)) {
            (it.times, it.again) = (it.times.max(times), it.again.max(again));
            it.ran = false;
        }
        self.count_again(id);
        true
    }

    /// Every word for the request counts again.
    pub(crate) fn count_again(&mut self, id: &RequestId) {
        for of in self.gateways.values_mut() {
            of.forget(id);
        }
    }

    /// The request was handed over: who waited for it saw that as well.
    pub(crate) fn note_ran(&mut self, id: &RequestId) {
        for taken_up in self.taken_up.values_mut() {
            if let Some(taken_up) = taken_up.get_mut(id) {
                taken_up.ran = true;
            }
        }
    }

    /// Whether it was taken up for somebody, and did not run since.
    pub(crate) fn is_awaited(&self, id: &RequestId) -> bool {
        let of =
            |taken_up: &BTreeMap<RequestId, TakenUp>| taken_up.get(id).is_some_and(|it| !it.ran);
        self.taken_up.values().any(of)
    }

    /// Whoever starts anew may wait for anything anew.
    pub(crate) fn connected(&mut self, peer: ReplicaId) {
        self.taken_up.remove(&peer);
    }

    /// In a new view everybody's word counts anew.
    pub(crate) fn enter_view(&mut self) {
        self.taken_up.clear();
    }
}

impl OfGateway {
    fn forget(&mut self, id: &RequestId) {
        if let Some(noted) = self.requests.remove(id) {
            self.oldest_first.remove(&noted);
        }
    }
}

#[cfg(test)]
mod tests {
    use byzantine_proof::Digest;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn id(number: usize) -> RequestId {
        RequestId(Digest::of(&number.to_be_bytes()))
    }

    #[test]
    fn a_flood_of_refusals_displaces_those_of_its_own_gateway_only() {
        let mut refusals = Refusals::default();
        let (flooded, other) = (ReplicaId(0), ReplicaId(1));
        refusals.note(id(0), other);
        for number in 0..=REFUSALS {
            refusals.note(id(number), flooded);
        }
        assert!(!refusals.contains(&id(0), flooded), "the oldest goes");
        assert!(refusals.contains(&id(1), flooded));
        assert!(refusals.contains(&id(REFUSALS), flooded));
        assert!(refusals.contains(&id(0), other));
    }

    #[test]
    fn a_word_given_anew_is_not_used_up() {
        let mut refusals = Refusals::default();
        let gateways = [ReplicaId(0), ReplicaId(1)];
        for gateway in gateways {
            refusals.note(id(0), gateway);
            refusals.note(id(0), gateway);
        }
        refusals.renew(&id(0), gateways[0]);
        assert_eq!(
            gateways.map(|it| refusals.contains(&id(0), it)),
            [false, true]
        );
        refusals.note(id(0), gateways[0]);
        assert!(refusals.take_up((ReplicaId(3), &id(0)), Duration::ZERO, SECOND));
        let used_up = gateways.map(|it| refusals.contains(&id(0), it));
        assert_eq!(used_up, [false, false]);
    }

    #[test]
    fn a_request_is_taken_up_more_and_more_seldom() {
        let mut refusals = Refusals::default();
        let mut take_up = |by, now| {
            let now = Duration::from_secs(now);
            refusals.take_up((ReplicaId(by), &id(0)), now, SECOND)
        };
        assert!(take_up(1, 0) && !take_up(1, 1) && take_up(1, 2));
        assert!(!take_up(1, 5) && take_up(1, 6), "twice as long");
        assert!(take_up(2, 6), "another one waits as well");
        assert!(
            take_up(1, 14) && !take_up(2, 29) && take_up(2, 30),
            "for both"
        );
        refusals.connected(ReplicaId(1));
        assert!(refusals.take_up((ReplicaId(1), &id(0)), Duration::ZERO, SECOND));
        refusals.enter_view();
        let all = 0..2 * TAKEN_UP;
        let taken = all.filter(|number| {
            refusals.take_up((ReplicaId(1), &id(*number)), Duration::ZERO, SECOND)
        });
        assert_eq!(taken.count(), TAKEN_UP);
    }

    #[test]
    fn whoever_waits_for_many_has_them_taken_up_one_after_the_other() {
        let mut refusals = Refusals::default();
        let mut take_up = |number: usize| {
            let now = SECOND * u32::try_from(number).unwrap();
            refusals.take_up((ReplicaId(1), &id(number)), now, SECOND)
        };
        assert!((0..3 * TAKEN_UP).all(&mut take_up));
    }

    #[test]
    fn what_was_taken_up_is_awaited_until_it_ran() {
        let mut refusals = Refusals::default();
        let waits = ReplicaId(1);
        assert!(refusals.take_up((waits, &id(0)), Duration::ZERO, SECOND));
        assert!(refusals.is_awaited(&id(0)) && !refusals.is_awaited(&id(1)));
        refusals.note_ran(&id(0));
        assert!(!refusals.is_awaited(&id(0)));
        assert!(refusals.take_up((waits, &id(0)), SECOND * 99, SECOND));
        assert!(refusals.is_awaited(&id(0)));
    }
}
