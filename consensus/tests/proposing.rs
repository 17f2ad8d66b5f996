//! When a primary proposes, and what a request that nobody proposed in this view comes to.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::limits::{BATCH_REQUESTS, PIPELINE};
use byzantine_consensus::{
    Batch, Event, KeySource, Message, Request, Sequence, Subject, Supply, Suspicion, UnixMillis,
    View, Vote,
};
use byzantine_proof::Digest;
use group::Group;

fn requests(name: &str, count: usize) -> Vec<Request> {
    let request = |number: usize| Request {
        method: "POST".into(),
        target: "/".into(),
        headers: vec![],
        body: bytes::Bytes::new(),
        key: format!("{name}-{number}"),
        key_source: KeySource::Client,
    };
    (0..count).map(request).collect()
}

#[test]
fn requests_gather_while_much_is_in_flight_until_a_batch_is_full() {
    let mut group = Group::new(4, 1, 20);
    group.stabilize();
    group.withheld.extend((0..4).map(|id| (id, "PREPARE")));
    let proposals = |group: &mut Group, gateway: usize, requests: Vec<Request>| {
        group.talk.take();
        group.handle(gateway, Event::Admitted(requests));
        group.stabilize();
        let talk = group.talk.take();
        talk.contains("0: says PRE-PREPARE\n")
    };
    for request in requests("first", PIPELINE) {
        assert!(proposals(&mut group, 1, vec![request]));
    }
    let mut full = requests("more", BATCH_REQUESTS);
    let last = full.split_off(BATCH_REQUESTS - 1);
    assert!(!proposals(&mut group, 2, full));
    assert!(proposals(&mut group, 2, last));
}

#[test]
fn what_an_earlier_view_left_behind_is_given_to_the_primary_of_this_one() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    let wanted = &requests("wanted", 1)[0];
    let batch = Batch {
        sequence: Sequence(1),
        time: Some(UnixMillis(group.time().unix.0)),
        requests: vec![wanted.id()],
        admissions: vec![group::words::word(3)],
        resolutions: vec![],
    };
    let vote = Vote {
        view: View(0),
        sequence: batch.sequence,
        digest: batch.digest(),
    };
    group.forge_to(&[2], 0, &[Message::PrePrepare(vote)]);
    let (view, subject) = (View(0), Subject::NewView);
    for sender in 1..4 {
        let suspicion = Suspicion { view, subject };
        group.forge(sender, &[Message::Suspect(suspicion)], &[]);
    }
    group.stabilize();
    // Gateway 3 tells member 2 alone, where the batch of the view before comes late.
    group.cut.extend([(3, 0), (3, 1)]);
    group.handle(3, Event::Admitted(vec![wanted.clone()]));
    group.stabilize();
    group.supply(0, 2, Supply::Batches(vec![batch.encode()]));
    group.talk.take();
    group.advance(Duration::from_millis(1500));
    let talk = group.talk.take();
    assert!(talk.contains("2: gives 1 1 requests"), "{talk}");
}

#[test]
fn a_proposal_that_a_correct_backup_has_is_asked_for_once() {
    let mut group = Group::new(7, 2, 8);
    group.stabilize();
    let vote = Vote {
        view: View(0),
        sequence: Sequence(1),
        digest: Digest::of(b"a batch that member 6 never saw"),
    };
    let asks = |group: &mut Group, backup: usize| {
        group.talk.take();
        group.forge_to(&[6], backup, &[Message::Prepare(vote)]);
        group.advance(Duration::from_millis(100));
        let talk = group.talk.take();
        let asks = |line: &&str| line.starts_with("6: asks") && line.contains("the proposal at 1");
        talk.lines().filter(asks).count()
    };
    // Two may be liars; of three, one is not, and all that can be needed are asked.
    let asked = [1, 2, 3, 4, 5].map(|backup| asks(&mut group, backup));
    assert_eq!(asked, [0, 0, 3, 0, 0]);
}
