//! The network between replicas: what becomes of each frame.
//!
//! Links are authenticated (TLS in production), so a frame that is damaged on the way never
//! arrives; what arrives is what somebody sent.

mod sieve;

use byzantine_consensus::Frame;

use crate::fault::{Fault, Faults};
use crate::plan::{MILLISECOND, Plan, Rates, SECOND};
use crate::random::Random;

pub use sieve::Sieve;

/// From this delay on a network is slow, and no fault of any link.
const SLOW: u64 = 200 * MILLISECOND;

/// Where frames are lost, delayed and doubled.
#[derive(Debug)]
pub struct Network {
    random: Random,
    nodes: usize,
    cut: Vec<bool>,
    sieves: Vec<Sieve>,
    faults: Faults,
    rates: Rates,
    latency: (u64, u64),
}

/// What becomes of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// After which times it arrives, if at all.
    pub arrivals: [Option<u64>; 2],
    /// The fault that struck it, if one did.
    pub struck: Option<Fault>,
}

impl Network {
    /// A whole network between `nodes`.
    pub fn new(plan: &Plan, nodes: usize) -> Self {
        Self {
            random: Random::new(plan.options.seed, "network"),
            nodes,
            cut: vec![false; nodes * nodes],
            sieves: Vec::new(),
            faults: plan.faults,
            rates: plan.rates,
            latency: plan.latency,
        }
    }

    /// Decides about one frame.
    pub fn fate(&mut self, from: usize, to: usize) -> Fate {
        let [loss, corrupt, tail, double] = [(); 4].map(|()| self.random.below(1000));
        let (delay, again) = (self.delay(), self.delay());
        let rates = self.rates;
        let struck = |rate: u32, draw: u64| draw < u64::from(rate);
        let mut fate = Fate {
            arrivals: [Some(delay), None],
            struck: None,
        };
        if self.is_cut(from, to) {
            fate.arrivals = [None; 2];
        } else if struck(rates.loss, loss) {
            (fate.arrivals, fate.struck) = ([None; 2], Some(Fault::Loss));
        } else if struck(rates.corrupt, corrupt) {
            (fate.arrivals, fate.struck) = ([None; 2], Some(Fault::Corrupt));
        } else if struck(rates.tail, tail) {
            fate.arrivals[0] = Some(delay + again * 100 % (3 * SECOND));
            fate.struck = Some(Fault::Tail);
        } else if struck(rates.duplicate, double) {
            (fate.arrivals[1], fate.struck) = (Some(again), Some(Fault::Duplicate));
        }
        fate
    }

    /// Frames overtake one another where delays vary.
    fn delay(&mut self) -> u64 {
        let (low, high) = self.latency;
        let drawn = self.random.between(low, high.max(low));
        if self.faults.has(Fault::Reorder) {
            drawn
        } else {
            low + high / 4
        }
    }

    /// Whether one direction of a link is cut.
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut[from * self.nodes + to]
    }

    /// Cuts or mends one direction of a link.
    pub fn set_cut(&mut self, from: usize, to: usize, cut: bool) {
        self.cut[from * self.nodes + to] = cut;
    }

    /// Cuts everything between two parts.
    pub fn part(&mut self, inside: &[usize]) {
        for from in 0..self.nodes {
            for to in 0..self.nodes {
                if inside.contains(&from) != inside.contains(&to) {
                    self.set_cut(from, to, true);
                }
            }
        }
    }

    /// From now on some messages do not arrive.
    pub fn hold_up(&mut self, sieve: Sieve) {
        self.sieves.push(sieve);
    }

    /// Whether a frame has something in it that does not get through to that replica.
    pub fn sieves_out(&self, to: usize, frame: &Frame) -> bool {
        self.sieves.iter().any(|sieve| sieve.holds(to, frame))
    }

    /// Mends all cuts, and lets everything through.
    pub fn mend(&mut self) {
        self.cut.fill(false);
        self.sieves.clear();
    }

    /// From now on the network behaves.
    pub fn heal(&mut self) {
        self.mend();
        self.rates = Rates::default();
        // A network that is slow all the time stays so: clocks must get used to it.
        if self.latency.1 < SLOW {
            self.latency.1 = self.latency.1.min(5 * MILLISECOND).max(self.latency.0);
        } else {
            self.latency.0 = SLOW / 2;
        }
    }
}
