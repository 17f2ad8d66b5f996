//! A primary that proposes too slowly is left; one that is as fast as it can be is not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::{Message, Notice, Subject, Suspicion, View};
use group::Group;
use proptest::prelude::*;

const STEP: Duration = Duration::from_millis(5);

/// Clients that each wait for their answer before they send again, `gateways` in turn.
struct Load {
    group: Group,
    gateways: Vec<usize>,
    open: Vec<String>,
    sent: usize,
    answered: usize,
}

impl Load {
    fn new(mut group: Group, gateways: &[usize], clients: usize) -> Self {
        group.stabilize();
        let mut load = Self {
            group,
            gateways: gateways.to_vec(),
            open: Vec::new(),
            sent: 0,
            answered: 0,
        };
        (0..clients).for_each(|_| load.send());
        load
    }

    fn send(&mut self) {
        let gateway = self.gateways[self.sent % self.gateways.len()];
        let target = format!("/{}", self.sent);
        self.group
            .request(gateway, &format!("key-{}", self.sent), &target);
        self.open.push(target);
        self.sent += 1;
    }

    /// How many requests are answered in this time.
    fn run(&mut self, time: Duration) -> usize {
        let before = self.answered;
        let steps = time.as_millis() / STEP.as_millis();
        for _ in 0..steps {
            self.group.advance_by(STEP, STEP);
            let observer = &self.group.nodes[self.gateways[0]].ledger;
            let answered = observer.iter().map(|entry| entry.answers.len()).sum();
            for _ in self.answered..answered {
                self.send();
            }
            self.answered = answered;
        }
        self.answered - before
    }

    fn view(&self) -> u64 {
        let views = self
            .group
            .nodes
            .iter()
            .filter_map(|node| node.replica.as_ref());
        views
            .map(|replica| replica.standing().view.0)
            .max()
            .unwrap()
    }

    /// Why views were left, in order of the first who did.
    fn reasons(&self) -> Vec<&'static str> {
        let mut reasons: Vec<(View, &'static str)> = Vec::new();
        for (_, notice) in &self.group.notices {
            if let Notice::ViewChangeStarted { view, reason } = notice
                && reasons.last().is_none_or(|(last, _)| last < view)
            {
                reasons.push((*view, reason));
            }
        }
        reasons.into_iter().map(|(_, reason)| reason).collect()
    }
}

fn group(latency: (u64, u64)) -> Group {
    let mut group = Group::new(4, 1, 64);
    group.latency = (
        Duration::from_millis(latency.0),
        Duration::from_millis(latency.1),
    );
    group
}

#[test]
fn a_primary_that_stalls_just_under_the_timeout_is_left_and_throughput_comes_back() {
    for gateways in [&[0, 1, 2, 3][..], &[2]] {
        let mut group = group((4, 8));
        // Half of the request timeout: nothing is late by the clocks of requests.
        group.stalls.insert(0, Duration::from_millis(900));
        let mut load = Load::new(group, gateways, 4);
        let stalled = load.run(Duration::from_secs(10));
        assert_eq!(load.reasons(), ["slow"], "{gateways:?}");
        let free = load.run(Duration::from_secs(5));
        assert!(free > 150, "{stalled} and then {free}");
        assert_eq!(load.view(), 1, "the next one stays");
    }
}

#[test]
fn one_client_alone_gets_rid_of_a_slow_primary_too() {
    let mut group = group((4, 8));
    group.stalls.insert(0, Duration::from_millis(900));
    let mut load = Load::new(group, &[3], 1);
    load.run(Duration::from_secs(30));
    assert_eq!((load.view(), load.reasons()), (1, vec!["slow"]));
}

#[test]
fn primaries_that_are_all_slow_alike_are_kept_in_the_end() {
    let mut group = group((4, 8));
    for id in 0..4 {
        group.stalls.insert(id, Duration::from_millis(400));
    }
    let mut load = Load::new(group, &[0, 1, 2, 3], 4);
    load.run(Duration::from_secs(40));
    let view = load.view();
    assert!(view <= 6, "{view} views: {:?}", load.reasons());
    load.run(Duration::from_secs(40));
    assert_eq!(load.view(), view, "{:?}", load.reasons());
}

#[test]
fn a_slow_app_excuses_the_primary() {
    let mut load = Load::new(group((4, 8)), &[0, 1, 2, 3], 40);
    for _ in 0..8 {
        for node in &mut load.group.nodes {
            node.paused_app = true;
        }
        load.run(Duration::from_millis(500));
        for node in &mut load.group.nodes {
            node.paused_app = false;
        }
        load.run(Duration::from_millis(10));
    }
    assert_eq!(load.view(), 0, "{:?}", load.reasons());
}

#[test]
fn a_full_window_excuses_the_primary() {
    // Each sequence is a checkpoint, and there is room for requests once it is stable.
    let mut group = Group::new(4, 1, 1);
    group.latency = (Duration::from_millis(4), Duration::from_millis(8));
    let mut load = Load::new(group, &[0, 1, 2, 3], 6);
    for _ in 0..20 {
        load.group.withheld.extend([(1, "ATTEST"), (2, "ATTEST")]);
        load.run(Duration::from_millis(400));
        load.group.heal();
        while load.run(STEP) == 0 {}
    }
    assert_eq!(load.view(), 0, "{:?}", load.reasons());
}

#[test]
fn a_view_that_ended_otherwise_makes_nobody_patient() {
    let mut group = Group::new(7, 2, 64);
    group.latency = (Duration::from_millis(4), Duration::from_millis(8));
    // Two of those who suspect lie about the reason, one of them being down.
    group.crash(0);
    group.withheld.insert((6, "SUSPECT"));
    for liar in [0, 6] {
        let (view, subject) = (View(0), Subject::Slow);
        group.forge(liar, &[Message::Suspect(Suspicion { view, subject })], &[]);
    }
    group.stalls.insert(1, Duration::from_millis(300));
    let mut load = Load::new(group, &[2, 3], 4);
    load.run(Duration::from_secs(20));
    assert_eq!(load.reasons()[..2], ["slow", "slow"]);
}

#[test]
fn one_that_was_left_for_its_slowness_makes_the_next_ones_limit_twice_as_wide() {
    let mut group = group((1, 1));
    group.stalls.insert(1, Duration::from_millis(300));
    group.stalls.insert(2, Duration::from_millis(150));
    let mut load = Load::new(group, &[0, 3], 4);
    load.run(Duration::from_secs(2));
    assert_eq!(load.view(), 0, "so fast can it be done");
    let (view, subject) = (View(0), Subject::NewView);
    for sender in 1..4 {
        let suspicion = Suspicion { view, subject };
        load.group
            .forge(sender, &[Message::Suspect(suspicion)], &[]);
    }
    load.run(Duration::from_secs(20));
    assert_eq!((load.view(), load.reasons().last()), (2, Some(&"slow")));
}

#[test]
fn liars_who_cry_slow_evict_nobody() {
    let mut group = Group::new(7, 2, 64);
    group.latency = (Duration::from_millis(4), Duration::from_millis(8));
    group.stabilize();
    for liar in [5, 6] {
        let (view, subject) = (View(0), Subject::Slow);
        group.forge(liar, &[Message::Suspect(Suspicion { view, subject })], &[]);
    }
    let mut load = Load::new(group, &[1, 2], 2);
    load.run(Duration::from_secs(1));
    assert_eq!(load.view(), 0);
}

#[test]
fn a_gateway_that_bypasses_the_primary_does_not_make_it_slow() {
    let mut group = group((4, 8));
    group.cut.insert((3, 0));
    let mut load = Load::new(group, &[3], 4);
    load.run(Duration::from_secs(10));
    assert!(load.answered > 30, "{}", load.answered);
    assert_eq!(load.view(), 0, "{:?}", load.reasons());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Whatever the network's delay and its spread: a primary that does what it can is kept.
    #[test]
    fn a_fair_primary_under_load_is_never_left(
        least in 5_u64..60,
        spread in 0_u64..80,
        clients in 1_usize..16,
        gateway in 0_usize..5,
    ) {
        let gateways: Vec<usize> = if gateway < 4 { vec![gateway] } else { vec![0, 1, 2, 3] };
        let mut load = Load::new(group((least, spread)), &gateways, clients);
        let answered = load.run(Duration::from_secs(3));
        prop_assert!(answered > 0);
        prop_assert_eq!(load.view(), 0, "{:?}", load.reasons());
    }
}

#[test]
fn a_clock_bound_below_the_networks_delay_costs_some_views_and_not_one_a_batch() {
    let mut group = group((50, 4));
    group.clock_bound = Duration::from_millis(40);
    for id in 0..4 {
        group.crash(id);
        group.start(id);
    }
    let mut load = Load::new(group, &[0, 1, 2, 3], 2);
    load.run(Duration::from_mins(1));
    let view = load.view();
    assert!(view <= 6, "{view} views: {:?}", load.reasons());
    let answered = load.run(Duration::from_mins(1));
    assert_eq!(load.view(), view, "{:?}", load.reasons());
    assert!(answered > 200, "{answered} answers");
}
