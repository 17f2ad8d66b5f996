//! The window's end is kept for RESOLVEs, and for null batches that lead past a checkpoint.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::{
    Batch, Evidence, Message, Notice, Promise, Rejection, ReplicaId, Request, Resolution, Sequence,
    StatusReport, UnixMillis, View, Vote,
};
use group::Group;

/// Of 40 sequences the last 16 are kept.
const INTERVAL: u64 = 20;
const LAST_FOR_REQUESTS: u64 = 24;

/// Whether backup 1 agrees when member 0 proposes these at a sequence.
fn agrees(group: &mut Group, sequence: u64, requests: &[&Request]) -> bool {
    let batch = Batch {
        sequence: Sequence(sequence),
        time: (!requests.is_empty()).then(|| UnixMillis(group.time().unix.0)),
        requests: requests.iter().map(|request| request.id()).collect(),
        admissions: requests.iter().map(|_| group::words::word(2)).collect(),
        resolutions: vec![],
    };
    agrees_to(group, &batch)
}

/// The same for a RESOLVE of sequence 1, on the word of these.
fn agrees_to_resolve(group: &mut Group, sequence: u64, promised_by: &[usize]) -> bool {
    let promise = Promise {
        sequence: Sequence(1),
        leaves: vec![None],
        answers: vec![],
    };
    let promises = promised_by.iter();
    let promises = promises.flat_map(|id| group.sign(*id, &[Message::Promise(promise.clone())]));
    let resolution = Resolution {
        sequence: Sequence(1),
        leaves: 1,
        evidence: Evidence::Promises(promises.collect()),
    };
    let batch = Batch {
        sequence: Sequence(sequence),
        time: None,
        requests: vec![],
        admissions: vec![],
        resolutions: vec![resolution],
    };
    agrees_to(group, &batch)
}

fn agrees_to(group: &mut Group, batch: &Batch) -> bool {
    let vote = Vote {
        view: View(0),
        sequence: batch.sequence,
        digest: batch.digest(),
    };
    group.talk.take();
    group.forge_with(&[1], 0, &[Message::PrePrepare(vote)], &[batch.encode()]);
    group.talk.take().contains("1: says PREPARE")
}

#[test]
fn neither_requests_nor_null_batches_belong_there() {
    let mut group = Group::new(4, 1, INTERVAL);
    group.stabilize();
    group.crash(0);
    let waiting = group.request(2, "k", "/");
    group.stabilize();
    assert!(agrees(&mut group, LAST_FOR_REQUESTS, &[]));
    assert!(agrees(&mut group, LAST_FOR_REQUESTS - 1, &[&waiting]));
    assert!(!agrees(&mut group, LAST_FOR_REQUESTS + 1, &[]));
    assert!(!agrees(&mut group, LAST_FOR_REQUESTS + 2, &[&waiting]));
}

#[test]
fn one_batch_of_resolves_a_view_belongs_there_and_any_number_before_it() {
    let mut group = Group::new(4, 1, INTERVAL);
    group.stabilize();
    group.crash(0);
    for sequence in [2, 3, LAST_FOR_REQUESTS, LAST_FOR_REQUESTS + 1] {
        assert!(agrees_to_resolve(&mut group, sequence, &[1, 2, 3]));
    }
    assert!(!agrees_to_resolve(
        &mut group,
        LAST_FOR_REQUESTS + 2,
        &[1, 2, 3]
    ));
}

#[test]
fn a_resolve_without_its_reasons_is_declined() {
    let mut group = Group::new(4, 1, INTERVAL);
    group.stabilize();
    group.crash(0);
    group.notices.clear();
    assert!(!agrees_to_resolve(&mut group, 2, &[1, 2]));
    let (rejection, kind) = (Rejection::Certificate, "PRE-PREPARE");
    let told = Notice::Rejected {
        replica: ReplicaId(0),
        rejection,
        kind,
    };
    assert_eq!(group.notices, [(1, told)]);
}

/// Everything up to the window's end is certified, but no checkpoint is stable: nobody hears the
/// cosignatures for that of the checkpoint.
fn group_before_a_checkpoint() -> Group {
    let mut group = Group::new(4, 1, INTERVAL);
    group.stabilize();
    let cosignatures = (0..4).map(|id| (id, "ATTEST"));
    group.withheld.extend(cosignatures.clone());
    for key in 1..LAST_FOR_REQUESTS {
        group.request(1, &key.to_string(), "/");
        group.stabilize();
    }
    group.heal();
    group.request(1, "last", "/");
    group.stabilize();
    group.withheld.extend(cosignatures);
    let standing = group.nodes[1].replica.as_ref().unwrap().standing();
    assert_eq!(
        (standing.stable, standing.certified),
        (Sequence(0), Sequence(24))
    );
    group
}

#[test]
fn null_batches_lead_past_a_checkpoint_and_requests_do_not() {
    let mut group = group_before_a_checkpoint();
    group.crash(0);
    let waiting = group.request(2, "k", "/");
    group.stabilize();
    assert!(!agrees(&mut group, 25, &[&waiting]));
    let mut group = group_before_a_checkpoint();
    assert!(!agrees(&mut group, 26, &[]), "one after the other");
    assert!(agrees(&mut group, 25, &[]));
}

#[test]
fn one_that_lost_its_memory_is_led_past_it_too() {
    let mut group = group_before_a_checkpoint();
    group.crash(3);
    group.advance(Duration::from_secs(1));
    group.talk.take();
    let waits = Message::Status(StatusReport {
        awaits: Sequence(30),
        ..StatusReport::default()
    });
    group.forge_to(&[0], 3, &[waits]);
    group.advance(Duration::from_secs(1));
    assert!(group.talk.take().contains("0: says PRE-PREPARE"));
}

#[test]
fn results_are_shown_to_whoever_promises_what_is_not_certified_yet() {
    let mut group = Group::new(4, 1, INTERVAL);
    group.stabilize();
    let shown = |group: &mut Group, sequence: u64| {
        let promise = Promise {
            sequence: Sequence(sequence),
            leaves: vec![None],
            answers: vec![],
        };
        group.talk.take();
        group.forge_to(&[1], 3, &[Message::Promise(promise)]);
        group.talk.take().contains("1: shows 3 a RESULT")
    };
    group.request(1, "a", "/");
    group.stabilize();
    assert!(!shown(&mut group, 1), "it has a certificate to show");
    group.withheld.extend((0..4).map(|id| (id, "ATTEST")));
    group.request(1, "b", "/");
    group.stabilize();
    assert!(shown(&mut group, 2));
    assert!(!shown(&mut group, 3), "it did not run yet");
}
