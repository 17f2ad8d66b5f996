//! When a member PROMISEs to wait for a RESOLVE: for what RESULTs do not settle in time, for that
//! alone, and with no more behind it than fits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::limits::{DIFFERENCES, PROMISE_BYTES};
use byzantine_consensus::{
    Event, KeySource, Message, Outcome, Promise, Request, ResultVote, Sequence,
};
use group::Group;

/// A quarter of the request timeout.
const PATIENCE: Duration = Duration::from_millis(500);

/// A step of the group before it is over.
const JUST_BEFORE: Duration = Duration::from_millis(450);

fn group() -> Group {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group
}

/// So many requests at one gateway, in one batch.
fn admit(group: &mut Group, count: usize) {
    let request = |number: usize| Request {
        method: "POST".into(),
        target: format!("/{number}"),
        headers: vec![],
        body: bytes::Bytes::new(),
        key: format!("key-{number}"),
        key_source: KeySource::Client,
    };
    group.handle(0, Event::Admitted((0..count).map(request).collect()));
    group.stabilize();
}

fn certified(group: &Group, id: usize) -> Sequence {
    let replica = group.nodes[id].replica.as_ref().unwrap();
    replica.standing().certified
}

#[test]
fn what_one_more_result_could_settle_is_waited_for_exactly_so_long() {
    let mut group = group();
    group.nodes[3].odd_app = true;
    group.withheld.insert((2, "RESULT"));
    // Away from the moments at which STATUS goes out, so that the clock alone brings it about.
    group.advance(Duration::from_millis(100));
    group.request(1, "k", "/");
    group.stabilize();
    group.talk.take();
    group.advance(JUST_BEFORE);
    assert!(!group.talk.take().contains("PROMISE"));
    group.advance(Duration::from_millis(50));
    assert!(group.talk.take().contains("0: says PROMISE of 1 answers"));
}

#[test]
fn a_quorum_settles_whoever_differs_and_whoever_comes_last() {
    let mut group = group();
    group.nodes[3].odd_app = true;
    group.withheld.insert((2, "RESULT"));
    group.request(1, "k", "/");
    group.stabilize();
    assert_eq!(certified(&group, 0), Sequence(0));
    let replica = group.nodes[2].replica.as_ref().unwrap();
    let answer = replica.outcome(Sequence(1), 0).unwrap();
    let result = ResultVote {
        sequence: Sequence(1),
        leaves: vec![Some(answer.leaf_hash())],
    };
    group.forge(2, &[Message::Result(result)], &[]);
    group.stabilize();
    assert_eq!(certified(&group, 0), Sequence(1));
}

#[test]
fn what_is_settled_but_for_its_place_in_the_order_is_not_promised() {
    let mut group = group();
    for (id, node) in group.nodes.iter_mut().enumerate() {
        (node.odd_app, node.paused_app) = (true, true);
        group.withheld.insert((id, "PROMISE"));
    }
    for (key, target) in [("a", "/"), ("b", "/even")] {
        group.request(1, key, target);
        group.stabilize();
    }
    for node in &mut group.nodes {
        node.paused_app = false;
    }
    group.talk.take();
    group.advance(2 * PATIENCE);
    let talk = group.talk.take();
    for id in 0..4 {
        let once = format!("{id}: says PROMISE of 1 answers\n");
        assert!(talk.contains(&once), "{talk}");
    }
    assert!(!talk.contains("PROMISE of 0 answers"), "{talk}");
}

#[test]
fn what_results_had_settled_here_gives_way_to_what_was_resolved() {
    let mut group = group();
    group.nodes[2].odd_app = true;
    group.withheld.insert((1, "RESULT"));
    group.request(1, "k", "/");
    group.crash(3);
    group.stabilize();
    // The liar agrees with member 1 where that hears it, and with nobody elsewhere.
    let replica = group.nodes[1].replica.as_ref().unwrap();
    let leaf = replica.outcome(Sequence(1), 0).unwrap().leaf_hash();
    for (peers, leaf) in [(&[1][..], Some(leaf)), (&[0, 2], None)] {
        let sequence = Sequence(1);
        let leaves = vec![leaf];
        let result = Message::Result(ResultVote { sequence, leaves });
        group.forge_to(peers, 3, &[result]);
    }
    assert!(group.talk.take().contains("1: says ATTEST"));
    let promise = Promise {
        sequence: Sequence(1),
        leaves: vec![None],
        answers: vec![],
    };
    group.forge_to(&[0, 2], 3, &[Message::Promise(promise)]);
    group.advance(4 * PATIENCE);
    let up = || group.nodes[..3].iter();
    let mut standings = up().map(|node| node.replica.as_ref().unwrap().standing());
    assert!(standings.all(|standing| standing.certified == Sequence(2)));
    let verdicts = up().map(|node| node.ledger[0].answers[0].answer.is_verdict());
    assert_eq!(verdicts.collect::<Vec<_>>(), [true; 3]);
}

#[test]
fn what_is_behind_a_promise_is_bounded_in_bytes() {
    const COUNT: usize = 40;
    let mut group = group();
    for node in &mut group.nodes {
        (node.odd_app, node.long_field) = (true, 3000);
    }
    admit(&mut group, COUNT);
    let replica = group.nodes[0].replica.as_ref().unwrap();
    let (mut shown, mut bytes) = (0, 0);
    for index in 0..u32::try_from(COUNT).unwrap() {
        let answer = replica.outcome(Sequence(1), index).unwrap();
        bytes += answer.leaf.len() + answer.fields.len();
        shown += usize::from(bytes <= PROMISE_BYTES);
    }
    assert!((1..COUNT).contains(&shown), "{shown} of {COUNT}");
    let said = format!("0: says PROMISE of {shown} answers");
    let talk = group.talk.take();
    assert!(talk.contains(&said), "{said} in {talk}");
}

#[test]
fn of_one_that_differs_everywhere_so_many_answers_are_asked_for() {
    let mut group = group();
    group.nodes[3].odd_app = true;
    admit(&mut group, DIFFERENCES + 4);
    let talk = group.talk.take();
    let asked = talk
        .lines()
        .filter(|it| it.starts_with("0: asks 3 for its answer"));
    assert_eq!(asked.count(), DIFFERENCES, "{talk}");
}

#[test]
fn an_outcome_is_read_as_it_was_written() {
    let mut group = group();
    admit(&mut group, 1);
    let replica = group.nodes[0].replica.as_ref().unwrap();
    let answer = replica.outcome(Sequence(1), 0).unwrap().clone();
    for outcome in [Outcome::Answer(answer), Outcome::Lost] {
        let bytes = outcome.encode();
        assert_eq!(Outcome::decode(&bytes), Some(outcome));
        assert_eq!(Outcome::decode(&bytes[1..]), None);
    }
}
