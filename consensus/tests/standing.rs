//! What a driver asks a replica about itself, and what settles a sequence for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::{Event, Message, Replica, ResultVote, Sequence};
use byzantine_proof::Digest;
use group::{Group, replica_id};

fn replica(group: &Group, id: usize) -> &Replica {
    group.nodes[id].replica.as_ref().unwrap()
}

#[test]
fn it_waits_while_a_request_an_app_or_a_view_is_on_its_way() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    let waits = |group: &Group| replica(group, 2).is_waiting();
    assert!(!waits(&group));
    group.isolate(2);
    group.request(2, "a", "/");
    assert!(waits(&group), "for the answer");
    group.heal();
    for node in &mut group.nodes {
        node.paused_app = true;
    }
    group.advance(Duration::from_secs(1));
    assert_eq!(replica(&group, 2).standing().pooled, 0);
    for node in group.nodes.iter_mut().take(2) {
        node.paused_app = false;
    }
    group.stabilize();
    assert!(
        !waits(&group),
        "its app has run nothing, and nothing is certified"
    );
    group.nodes[2].paused_app = false;
    group.isolate(2);
    group.stabilize();
    assert!(waits(&group), "for the certificate");
    group.heal();
    group.advance(Duration::from_secs(1));
    assert!(!waits(&group));
}

#[test]
fn it_says_where_a_request_was_answered() {
    let mut group = Group::new(4, 1, 4);
    group.stabilize();
    let request = group.request(2, "a", "/");
    let answered = |group: &Group| replica(group, 1).answered(&request.id());
    assert_eq!(answered(&group), None);
    group.stabilize();
    assert_eq!(answered(&group), Some((Sequence(1), 0)));
}

#[test]
fn it_says_where_it_stands_once_a_step_however_many_connect_in_it() {
    let mut group = Group::new(4, 1, 4);
    group.stabilize();
    group.talk.take();
    let connected = [1, 2, 3].map(|peer| Event::Connected(replica_id(peer)));
    group.handle_all(0, connected);
    assert_eq!(group.talk.take(), "0: says STATUS\n");
    group.handle(0, Event::Connected(replica_id(1)));
    assert!(group.talk.take().contains("0: says STATUS\n"));
}

#[test]
fn what_it_holds_lies_above_the_stable_checkpoint() {
    let mut group = Group::new(4, 1, 4);
    group.stabilize();
    for (request, held) in [1, 2, 3, 0, 1].into_iter().enumerate() {
        group.request(1, &request.to_string(), "/");
        group.stabilize();
        group.advance(Duration::from_millis(100));
        assert_eq!(replica(&group, 2).held_sequences(), held);
    }
}

#[test]
fn a_certificate_needs_a_quorum_and_more_do_no_harm() {
    let mut group = Group::new(7, 2, 8);
    group.nodes[3].paused_app = true;
    group.stabilize();
    group.request(1, "a", "/");
    group.stabilize();
    let certified = |group: &Group, id: usize| replica(group, id).standing().certified.0;
    assert_eq!((certified(&group, 0), certified(&group, 3)), (1, 0));
    // It has heard all six others when it settles; five would do.
    group.nodes[3].paused_app = false;
    group.stabilize();
    assert_eq!(certified(&group, 3), 1);
}

#[test]
fn of_two_results_of_a_liar_the_one_that_settles_counts() {
    let mut group = Group::new(4, 1, 8);
    group.nodes[2].paused_app = true;
    group.stabilize();
    group.crash(3);
    group.request(1, "a", "/");
    let result = |leaf| {
        Message::Result(ResultVote {
            sequence: Sequence(1),
            leaves: vec![Some(leaf)],
        })
    };
    group.forge_to(&[0], 3, &[result(Digest::of(b"lie"))]);
    group.stabilize();
    let answer = replica(&group, 1).outcome(Sequence(1), 0).unwrap();
    let truth = result(answer.leaf_hash());
    group.talk.take();
    group.forge_to(&[1], 3, std::slice::from_ref(&truth));
    assert!(
        group.talk.take().contains("1: says ATTEST"),
        "it heard three"
    );
    group.show(1, 0, 3, &[truth]);
    assert!(
        group.talk.take().contains("0: says ATTEST"),
        "so did this one"
    );
}

#[test]
fn of_each_liars_two_results_the_one_that_settles_counts() {
    let mut group = Group::new(7, 2, 8);
    for paused in [3, 4] {
        group.nodes[paused].paused_app = true;
    }
    group.stabilize();
    group.crash(5);
    group.crash(6);
    group.request(1, "a", "/");
    group.stabilize();
    let answer = replica(&group, 0).outcome(Sequence(1), 0).unwrap();
    let [truth, lie, other] =
        [answer.leaf_hash(), Digest::of(b"lie"), Digest::of(b"other")].map(|leaf| {
            Message::Result(ResultVote {
                sequence: Sequence(1),
                leaves: vec![Some(leaf)],
            })
        });
    group.talk.take();
    // With three who agree it takes both liars' true ones: 6 says it first, and 5 last.
    for (liar, result) in [(5, lie), (6, truth.clone()), (6, other)] {
        group.forge_to(&[0], liar, &[result]);
    }
    assert!(!group.talk.take().contains("0: says ATTEST"));
    group.forge_to(&[0], 5, &[truth]);
    assert!(group.talk.take().contains("0: says ATTEST"));
}
