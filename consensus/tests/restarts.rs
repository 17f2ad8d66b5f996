//! What a replica does again after a restart, and what it does not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::{Event, Message, Record, View, open_one};
use group::Group;

#[test]
fn a_result_that_was_torn_off_is_said_again_and_the_app_is_not_asked_again() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.request(1, "a", "/");
    group.stabilize();
    group.crash(2);
    group.tear(2);
    group.talk.take();
    group.start(2);
    let talk = group.talk.take();
    assert!(talk.contains("2: says RESULT"), "{talk}");
    assert!(!talk.contains("2: records Executed"), "{talk}");
    group.stabilize();
    let talk = group.talk.take();
    assert!(!talk.contains("2: records Executed"), "{talk}");
}

#[test]
fn a_compacted_log_keeps_the_results_that_its_attestation_rests_on() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.withheld.extend((0..4).map(|id| (id, "ATTEST")));
    group.request(1, "settled", "/");
    group.stabilize();
    group.withheld.extend([(2, "RESULT"), (3, "RESULT")]);
    group.request(1, "open", "/");
    group.stabilize();
    let replica = group.nodes[0].replica.as_ref().unwrap();
    let (origin, authority) = (replica.origin_digest(), group.authority(0));
    let results = replica.journal_base().into_iter().filter_map(|record| {
        let Record::Accepted(signed) = record else {
            return None;
        };
        let opened = open_one(&origin, &signed, authority.as_ref()).unwrap();
        match opened.body() {
            Message::Result(vote) => Some((vote.sequence.0, signed.sender.0)),
            _ => None,
        }
    });
    let results: Vec<(u64, u8)> = results.collect();
    assert_eq!(results, [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0)]);
}

#[test]
fn a_refusal_that_the_ledger_has_waits_no_more() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.request(1, "k", "/one");
    group.stabilize();
    group.request(1, "k", "/two");
    group.stabilize();
    for id in 0..4 {
        group.keep_ledger(id);
        group.crash(id);
    }
    for id in 0..4 {
        group.start(id);
    }
    for node in &group.nodes {
        assert_eq!(node.replica.as_ref().unwrap().standing().pooled, 0);
    }
    group.advance(Duration::from_secs(30));
    for node in &group.nodes {
        assert_eq!(node.ledger.len(), 2);
        assert_eq!(node.replica.as_ref().unwrap().standing().view, View(0));
    }
}

#[test]
fn one_that_lost_its_memory_suspects_in_a_step_of_several_events_too() {
    let mut group = Group::new(4, 1, 4);
    group.stabilize();
    for (from, to) in [(3, 0), (3, 2), (1, 0), (1, 2)] {
        group.cut.insert((from, to));
    }
    group.request(3, "a", "/");
    group.advance(Duration::from_millis(2500));
    group.heal();
    group.advance(Duration::from_secs(1));
    group.forget(2);
    group.start(2);
    group.talk.take();
    let mut said = String::new();
    for _ in 0..180 {
        group.advance(Duration::from_millis(50));
        group.handle_all(2, [Event::Tick, Event::Tick]);
        said.push_str(&group.talk.take());
    }
    assert!(said.contains("2: says SUSPECT"));
}
