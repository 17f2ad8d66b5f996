//! Random schedules: messages lost, repeated and reordered, members crashing and restarting,
//! links cut. Afterwards the group is healed, and must have lost and doubled nothing.
//!
//! A failing seed is printed; `BYZANTINE_SEED=n` runs that one alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::Request;
use group::Group;

const SEEDS: u64 = 48;

/// One schedule in so many signs as it is done outside.
const REAL_KEYS: u64 = 16;
const REQUESTS: usize = 24;

#[test]
fn random_schedules_lose_and_double_nothing() {
    if let Ok(seed) = std::env::var("BYZANTINE_SEED") {
        return Schedule::new(seed.parse().expect("a number")).run();
    }
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| Schedule::new(seed).run());
        assert!(
            run.is_ok(),
            "seed {seed} fails: BYZANTINE_SEED={seed} runs it alone"
        );
    }
}

struct Schedule {
    group: Group,
    state: u64,
    requests: Vec<Request>,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let members = [4, 4, 5, 7][usize::try_from(seed % 4).unwrap()];
        let (faults, interval) = ((members - 1) / 3, [4, 8, 16][(seed % 3) as usize]);
        let group = if seed.is_multiple_of(REAL_KEYS) {
            Group::with_real_keys(members, faults, interval)
        } else {
            Group::new(members, faults, interval)
        };
        Self {
            group,
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            requests: Vec::new(),
        }
    }

    /// xorshift64*: enough for schedules, and the same everywhere.
    fn random(&mut self, below: usize) -> usize {
        next(&mut self.state, below)
    }

    fn run(mut self) {
        while self.requests.len() < REQUESTS {
            self.disturb();
            let mut state = self.state;
            for _ in 0..self.random(60) {
                self.group.step(&mut |below| next(&mut state, below));
            }
            self.state = state;
            let milliseconds = self.random(400) as u64;
            self.group.tick(milliseconds);
        }
        self.heal();
        self.check();
    }

    fn disturb(&mut self) {
        let members = self.group.nodes.len();
        let someone = self.random(members);
        match self.random(12) {
            0 => self.group.crash(someone),
            1 | 2 => self.restart_all(),
            3 => self.group.isolate(someone),
            4 => self.group.heal(),
            5 => {
                let other = self.random(members);
                self.group.cut.insert((someone, other));
            }
            6 => self.group.nodes[someone].paused_app ^= true,
            _ => self.send(someone),
        }
    }

    fn send(&mut self, gateway: usize) {
        if self.group.nodes[gateway].replica.is_none() {
            return;
        }
        // One in six is a repetition through another gateway.
        let repeated = self.random(6) == 0 && !self.requests.is_empty();
        let number = if repeated {
            self.random(self.requests.len())
        } else {
            self.requests.len()
        };
        let request = self
            .group
            .request(gateway, &format!("key-{number}"), &format!("/{number}"));
        if !repeated {
            self.requests.push(request);
        }
    }

    fn restart_all(&mut self) {
        for id in 0..self.group.nodes.len() {
            if self.group.nodes[id].replica.is_none() {
                self.group.start(id);
            }
        }
    }

    fn heal(&mut self) {
        self.group.heal();
        self.restart_all();
        for node in &mut self.group.nodes {
            node.paused_app = false;
        }
        self.settle();
        // A gateway that crashed before its log had a request has not accepted it: its client
        // retries with the same key.
        for number in 0..self.requests.len() {
            self.group
                .request(0, &format!("key-{number}"), &format!("/{number}"));
        }
        self.settle();
    }

    /// At most a minute, in which a healed group has long come to rest.
    fn settle(&mut self) {
        for _ in 0..60 {
            self.group.advance(Duration::from_secs(1));
            let standings = self
                .group
                .nodes
                .iter()
                .filter_map(|node| node.replica.as_ref());
            let standings: Vec<_> = standings
                .map(byzantine_consensus::Replica::standing)
                .collect();
            let pooled = standings
                .iter()
                .any(|at| at.pooled > 0 || at.executed != at.certified);
            if !pooled && standings.iter().all(|at| at.root == standings[0].root) {
                return;
            }
        }
    }

    fn check(&self) {
        let first = &self.group.nodes[0];
        let complete = first.ledger.iter().flat_map(|entry| &entry.answers).count();
        assert_eq!(complete, self.requests.len(), "every request has one leaf");
        for (id, node) in self.group.nodes.iter().enumerate() {
            assert_eq!(
                self.group.calls(id),
                self.requests.len() as u64,
                "calls at {id}"
            );
            assert_eq!(node.ledger.len(), first.ledger.len(), "entries at {id}");
            for (ours, theirs) in node.ledger.iter().zip(&first.ledger) {
                assert_eq!(ours.root, theirs.root, "the tree at {id}");
                assert_eq!(ours.answers, theirs.answers, "the answers at {id}");
            }
        }
    }
}

fn next(state: &mut u64, below: usize) -> usize {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    let number = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
    usize::try_from(number).unwrap() % below.max(1)
}
