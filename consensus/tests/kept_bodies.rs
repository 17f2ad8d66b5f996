//! A body that a batch names is kept until that batch is handed over, whatever became of its
//! request.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::{
    Batch, Message, Request, Sequence, Subject, Supply, Suspicion, UnixMillis, Verdict, View, Vote,
};
use group::Group;

/// The primary, which is faulty, tells some backups of a batch.
fn propose(group: &mut Group, to: &[usize], sequence: u64, request: &Request) {
    let sequence = Sequence(sequence);
    let batch = Batch {
        sequence,
        time: Some(UnixMillis(group.time().unix.0)),
        requests: vec![request.id()],
        admissions: vec![group::words::word(1)],
        resolutions: vec![],
    };
    let vote = Vote {
        view: View(0),
        sequence,
        digest: batch.digest(),
    };
    group.forge_with(to, 0, &[Message::PrePrepare(vote)], &[batch.encode()]);
}

/// A batch above a checkpoint names what ran below it, and prepares at replicas 2 and 3 before the
/// checkpoint is stable.
fn group_with_a_batch_that_looks_back() -> Group {
    let mut group = Group::new(4, 1, 2);
    group.stabilize();
    let old = group.request(1, "old", "/");
    group.stabilize();
    group.crash(0);
    propose(&mut group, &[2, 3], 3, &old);
    group.stabilize();
    let new = group.request(1, "new", "/");
    propose(&mut group, &[1, 2, 3], 2, &new);
    group.stabilize();
    group
}

/// All of them got over it, and the old request ran once.
fn goes_on(group: &mut Group) {
    group.request(2, "next", "/");
    group.advance(Duration::from_mins(1));
    for node in group.nodes.iter().skip(1) {
        let standing = node.replica.as_ref().unwrap().standing();
        assert!(standing.committed >= Sequence(4), "{standing:?}");
        let answers = node.ledger.iter().flat_map(|it| &it.answers);
        let calls = answers.filter(|it| matches!(it.verdict, Verdict::Call { .. }));
        assert_eq!(calls.count(), 3);
    }
}

#[test]
fn a_checkpoint_leaves_what_a_batch_above_it_names() {
    let mut group = group_with_a_batch_that_looks_back();
    let stable = group.nodes[2].replica.as_ref().unwrap().standing().stable;
    assert_eq!(stable, Sequence(2));
    goes_on(&mut group);
}

#[test]
fn so_does_a_restart_of_all() {
    let mut group = group_with_a_batch_that_looks_back();
    for id in 1..4 {
        group.crash(id);
    }
    for id in 1..4 {
        group.start(id);
    }
    goes_on(&mut group);
}

#[test]
fn a_body_that_was_dropped_is_asked_for_once_a_batch_names_it_again() {
    let mut group = Group::new(4, 1, 2);
    group.stabilize();
    let old = group.request(1, "old", "/");
    group.request(2, "other", "/");
    group.advance(Duration::from_secs(1));
    let stable = group.nodes[3].replica.as_ref().unwrap().standing().stable;
    assert_eq!(stable, Sequence(2));
    propose(&mut group, &[3], 3, &old);
    group.talk.take();
    group.advance(Duration::from_millis(100));
    let talk = group.talk.take();
    assert!(talk.contains("3: asks 0 for 1 requests"), "{talk}");
}

#[test]
fn what_was_kept_as_answered_waits_again_once_its_key_is_forgotten() {
    let mut group = Group::new(4, 1, 4);
    group.stabilize();
    let paid = group.request(1, "k", "/pay");
    group.stabilize();
    for key in ["a", "b", "c"] {
        group.request(2, key, "/");
        group.stabilize();
    }
    group.crash(0);
    // Batches that do not prepare name it again, above the checkpoint.
    for to in [1, 3] {
        let votes = ["PRE-PREPARE", "PREPARE"].map(|kind| (to, kind));
        group.withheld.extend(votes);
        propose(&mut group, &[to], 5, &paid);
        group.supply(2, to, Supply::Requests(vec![paid.encode()]));
    }
    group.request(2, "other", "/");
    group.advance(Duration::from_secs(10));
    group.heal();
    group.advance_by(Duration::from_hours(25), Duration::from_hours(1));
    group.request(2, "later", "/");
    group.stabilize();
    assert_eq!(group.calls(1), 6);
    let view = group.nodes[1].replica.as_ref().unwrap().standing().view;
    group.request(2, "k", "/pay");
    group.stabilize();
    assert_eq!(group.calls(1), 7);
    let standing = group.nodes[1].replica.as_ref().unwrap().standing();
    assert_eq!((standing.pooled, standing.view), (0, view));
}

#[test]
fn what_was_answered_is_not_proposed_again_for_a_batch_that_named_it() {
    let mut group = Group::new(4, 1, 4);
    group.stabilize();
    let paid = group.request(1, "k", "/pay");
    group.stabilize();
    for key in ["a", "b", "c"] {
        group.request(2, key, "/");
        group.stabilize();
    }
    // The primary of the next view alone heard of that batch, which does not prepare.
    group.crash(0);
    let votes = ["PRE-PREPARE", "PREPARE"].map(|kind| (1, kind));
    group.withheld.extend(votes);
    propose(&mut group, &[1], 5, &paid);
    group.forge_to(&[1], 2, &[group::words::requests(&[&paid])]);
    let (view, subject) = (View(0), Subject::NewView);
    for sender in 0..4 {
        let suspicion = Suspicion { view, subject };
        group.forge(sender, &[Message::Suspect(suspicion)], &[]);
    }
    group.heal();
    group.request(2, "next", "/");
    group.advance(Duration::from_secs(10));
    let ledger = &group.nodes[2].ledger;
    let batches = ledger.iter().map(|it| Batch::decode(&it.batch).unwrap());
    let naming = batches.filter(|batch| batch.requests.contains(&paid.id()));
    assert_eq!((naming.count(), group.calls(2)), (1, 5));
}
