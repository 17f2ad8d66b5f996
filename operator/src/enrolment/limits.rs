//! How much one visitor, and all together, may ask for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Connections of one address at a time; all replicas of a node may share one.
const CONNECTIONS_PER_ADDRESS: usize = 64;

/// Requests of one address at once, and a second.
const REQUEST_BURST: u32 = 100;
const REQUESTS_PER_SECOND: f64 = 10.0;

/// Addresses that are remembered.
const MAX_ADDRESSES: usize = 4096;

/// Something that is used up, and comes back with time.
#[derive(Debug)]
pub(super) struct Budget {
    left: f64,
    burst: f64,
    per_second: f64,
    counted: Option<Instant>,
}

impl Budget {
    pub(super) fn new(burst: u32, per_second: f64) -> Self {
        let burst = f64::from(burst);
        Self {
            left: burst,
            burst,
            per_second,
            counted: None,
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.count(now);
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.count(now);
        self.left >= self.burst
    }

    fn count(&mut self, now: Instant) {
        let last = self.counted.replace(now).unwrap_or(now);
        let elapsed = now.saturating_duration_since(last).as_secs_f64();
        self.left = (self.left + elapsed * self.per_second).min(self.burst);
    }
}

/// Everybody who is or was here lately.
#[derive(Debug, Default)]
pub(super) struct Visitors(Mutex<HashMap<IpAddr, Visitor>>);

#[derive(Debug)]
struct Visitor {
    connections: usize,
    requests: Budget,
}

/// One connection of a visitor's, which counts as long as this lives.
#[derive(Debug)]
pub(super) struct Visit {
    visitors: Arc<Visitors>,
    address: IpAddr,
}

impl Visitors {
    /// Lets a connection in, if its address has not too many already.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Visit> {
        let mut all = self.lock();
        forget_the_quiet(&mut all);
        if all.len() >= MAX_ADDRESSES && !all.contains_key(&address) {
            return None;
        }
        let visitor = all.entry(address).or_insert_with(|| Visitor {
            connections: 0,
            requests: Budget::new(REQUEST_BURST, REQUESTS_PER_SECOND),
        });
        if visitor.connections >= CONNECTIONS_PER_ADDRESS {
            return None;
        }
        visitor.connections += 1;
        let visitors = Arc::clone(self);
        Some(Visit { visitors, address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Visitor>> {
        // Counts are whole whoever panicked while they were locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_the_quiet(all: &mut HashMap<IpAddr, Visitor>) {
    if all.len() >= MAX_ADDRESSES {
        let now = Instant::now();
        all.retain(|_, visitor| visitor.connections > 0 || !visitor.requests.is_full(now));
    }
}

impl Visit {
    /// Whether one more request is not too many.
    pub(super) fn may_ask(&self) -> bool {
        let mut all = self.visitors.lock();
        all.get_mut(&self.address)
            .is_none_or(|visitor| visitor.requests.take(Instant::now()))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(visitor) = self.visitors.lock().get_mut(&self.address) {
            visitor.connections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_budget_comes_back_with_time() {
        let mut budget = Budget::new(2, 1.0);
        let start = Instant::now();
        assert!(budget.take(start) && budget.take(start) && !budget.take(start));
        let later = start + Duration::from_millis(1500);
        assert!(budget.take(later) && !budget.take(later));
        assert!(!budget.is_full(later));
        assert!(budget.is_full(later + Duration::from_mins(1)));
    }

    #[test]
    fn one_address_has_so_many_connections_and_others_theirs() {
        let visitors = Arc::new(Visitors::default());
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let mut visits: Vec<_> = (0..CONNECTIONS_PER_ADDRESS)
            .map(|_| visitors.admit(address(1)).unwrap())
            .collect();
        assert!(visitors.admit(address(1)).is_none());
        assert!(visitors.admit(address(2)).is_some());
        visits.pop();
        assert!(visitors.admit(address(1)).is_some());
    }

    #[test]
    fn one_address_asks_so_often() {
        let visitors = Arc::new(Visitors::default());
        let visit = visitors.admit(IpAddr::from([10, 0, 0, 1])).unwrap();
        let asked = (0..10 * REQUEST_BURST).filter(|_| visit.may_ask()).count();
        assert!((100..200).contains(&asked), "{asked}");
    }

    #[test]
    fn the_quiet_are_forgotten_before_anybody_is_refused() {
        let visitors = Arc::new(Visitors::default());
        for number in 0..MAX_ADDRESSES * 2 {
            let [.., a, b] = u32::try_from(number).unwrap().to_be_bytes();
            assert!(visitors.admit(IpAddr::from([10, 0, a, b])).is_some());
        }
        assert!(visitors.lock().len() <= MAX_ADDRESSES);
    }
}
