//! A request is ordered on a gateway's signed word, and that gateway alone is charged for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::{
    Batch, KeySource, Message, ReplicaId, Request, Sequence, Supply, UnixMillis, Verdict, View,
    Vote,
};
use group::Group;

fn request(key: &str) -> Request {
    Request {
        method: "POST".into(),
        target: "/".into(),
        headers: vec![],
        body: Bytes::from_static(b"1"),
        key: key.into(),
        key_source: KeySource::Client,
    }
}

/// A batch of one request, proposed by member 0, which is the primary of view 0.
fn propose(group: &mut Group, request: &Request, gateway: u8) {
    propose_at(group, request, Sequence(1), gateway);
}

fn propose_at(group: &mut Group, request: &Request, sequence: Sequence, gateway: u8) {
    let batch = Batch {
        sequence,
        time: Some(UnixMillis(group.time().unix.0)),
        requests: vec![request.id()],
        admissions: vec![group::words::word(gateway)],
        resolutions: vec![],
    };
    let vote = Vote {
        view: View(0),
        sequence,
        digest: batch.digest(),
    };
    group.forge(0, &[Message::PrePrepare(vote)], &[batch.encode()]);
}

fn committed(group: &Group) -> Vec<u64> {
    let up = group.nodes.iter().filter_map(|node| node.replica.as_ref());
    up.map(|replica| replica.standing().committed.0).collect()
}

#[test]
fn nobody_is_charged_without_its_word() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.crash(0);
    let wanted = request("k");
    // Gateway 1 vouches for the request; the faulty primary charges gateway 2.
    group.forge(1, &[group::words::requests(&[&wanted])], &[]);
    let admitted = group.request(1, "k", "/");
    assert_eq!(admitted.id(), wanted.id());
    propose(&mut group, &wanted, 2);
    group.stabilize();
    assert_eq!(
        committed(&group),
        [0, 0, 0],
        "held: gateway 2 did not vouch"
    );
    // Once it does, the proposal stands.
    group.request(2, "k", "/");
    group.stabilize();
    assert_eq!(committed(&group), [1, 1, 1]);
    let settled = &group.nodes[3].ledger[0].answers[0];
    assert_eq!(settled.gateway, ReplicaId(2));
}

#[test]
fn a_request_that_nobody_vouched_for_is_not_ordered() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.crash(0);
    let invented = request("invented");
    propose(&mut group, &invented, 0);
    let bodies = Supply::Requests(vec![invented.encode()]);
    for to in 1..4 {
        group.supply(0, to, bodies.clone());
    }
    group.advance(Duration::from_secs(1));
    assert_eq!(committed(&group), [0, 0, 0]);
    // Nor does it run a clock that would cost its bearers a primary of their own.
    group.advance(Duration::from_secs(30));
    for node in group.nodes.iter().skip(1) {
        let standing = node.replica.as_ref().unwrap().standing();
        assert_eq!((standing.pooled, standing.committed.0), (0, 0));
        assert!(standing.view <= View(2), "{:?}", standing.view);
    }
}

#[test]
fn a_gateway_that_tells_one_member_alone_is_charged_all_the_same() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    // Member 3 tells the primary alone, and is cut off from the others.
    group.cut.insert((3, 1));
    group.cut.insert((3, 2));
    group.request(3, "k", "/");
    group.stabilize();
    group.advance(Duration::from_secs(1));
    let settled = &group.nodes[1].ledger[0].answers[0];
    assert_eq!(settled.gateway, ReplicaId(3));
    assert_eq!(
        group.nodes[1].replica.as_ref().unwrap().standing().view,
        View(0)
    );
}

#[test]
fn a_gateway_that_bypasses_the_primary_is_charged_all_the_same() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.cut.insert((3, 0));
    group.request(3, "k", "/");
    group.stabilize();
    group.advance(Duration::from_secs(2));
    let settled = &group.nodes[1].ledger[0].answers[0];
    assert_eq!(settled.gateway, ReplicaId(3));
    assert_eq!(
        group.nodes[1].replica.as_ref().unwrap().standing().view,
        View(0)
    );
}

/// Member 0 uses up its quota of one key, and keeps its place as the primary.
fn group_whose_primary_is_full() -> Group {
    let mut group = Group::with_quota(4, 1, 8, 1);
    group.stabilize();
    group.request(0, "own", "/");
    group.stabilize();
    group.crash(0);
    group
}

/// What became of requests, in order: who was charged, and whether there was room.
fn charged(group: &Group, id: usize) -> Vec<(u8, bool)> {
    let answers = group.nodes[id].ledger.iter().flat_map(|it| &it.answers);
    let charged = answers.map(|it| (it.gateway.0, matches!(it.verdict, Verdict::Call { .. })));
    charged.collect()
}

#[test]
fn a_primary_whose_quota_is_used_up_refuses_nobody_elses_requests() {
    let mut group = group_whose_primary_is_full();
    let wanted = group.request(1, "k", "/");
    group.stabilize();
    // It vouches for what gateway 1 let in, so as to charge itself for it.
    group.forge(0, &[group::words::requests(&[&wanted])], &[]);
    propose_at(&mut group, &wanted, Sequence(2), 0);
    group.stabilize();
    assert_eq!(charged(&group, 1), [(0, true), (0, false)]);
    for node in group.nodes.iter().skip(1) {
        let standing = node.replica.as_ref().unwrap().standing();
        assert_eq!(standing.pooled, 1, "gateway 1 has room");
    }
    // However often it does that, the clock runs on.
    group.advance(Duration::from_secs(1));
    propose_at(&mut group, &wanted, Sequence(3), 0);
    group.advance(Duration::from_secs(30));
    assert_eq!(charged(&group, 1).last(), Some(&(1, true)));
    let standing = group.nodes[1].replica.as_ref().unwrap().standing();
    assert!(standing.view >= View(1) && standing.pooled == 0);
}

#[test]
fn a_word_that_comes_after_a_limit_is_good_in_another_gateways_name() {
    let mut group = group_whose_primary_is_full();
    let wanted = request("k");
    group.forge(0, &[group::words::requests(&[&wanted])], &[]);
    propose_at(&mut group, &wanted, Sequence(2), 0);
    group.stabilize();
    assert_eq!(charged(&group, 1), [(0, true), (0, false)]);
    // Nobody waits for it, until its client comes to another gateway.
    group.advance(Duration::from_secs(30));
    let standing = group.nodes[1].replica.as_ref().unwrap().standing();
    assert_eq!((standing.pooled, standing.view), (0, View(0)));
    group.request(2, "k", "/");
    group.advance(Duration::from_secs(30));
    assert_eq!(charged(&group, 1).last(), Some(&(2, true)));
}

#[test]
fn a_flood_uses_up_the_quota_of_its_own_gateway_only() {
    let mut group = Group::with_quota(4, 1, 8, 5);
    group.stabilize();
    for number in 0..40 {
        group.request(3, &format!("flood-{number}"), "/");
        group.stabilize();
    }
    for gateway in 0..3 {
        for number in 0..5 {
            group.request(gateway, &format!("fair-{gateway}-{number}"), "/");
            group.stabilize();
        }
    }
    let answers = group.nodes[1]
        .ledger
        .iter()
        .flat_map(|entry| &entry.answers);
    let ran = |gateway| {
        let of = answers
            .clone()
            .filter(|it| it.gateway == ReplicaId(gateway));
        of.filter(|it| matches!(it.verdict, Verdict::Call { .. }))
            .count()
    };
    assert_eq!([0, 1, 2, 3].map(ran), [5, 5, 5, 5]);
    assert_eq!(group.calls(1), 20);
}

#[test]
fn a_restart_keeps_the_words_that_were_given() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    // The primary is down; the others know the request and its gateway's word, and restart.
    group.crash(0);
    group.request(3, "k", "/");
    group.stabilize();
    for id in [1, 2] {
        group.crash(id);
        group.start(id);
    }
    // Its gateway is gone as well: the word must come from those who restarted.
    group.crash(3);
    group.start(0);
    group.advance(Duration::from_secs(20));
    let settled = &group.nodes[1].ledger[0].answers[0];
    assert_eq!(settled.gateway, ReplicaId(3));
}

#[test]
fn what_goes_on_to_the_next_word_is_not_begun_again_by_whoever_brings_its_body() {
    let mut group = Group::with_quota(4, 1, 8, 1);
    group.stabilize();
    for gateway in 0..3 {
        group.request(gateway, &format!("own-{gateway}"), "/");
        group.stabilize();
    }
    // Gateways 0 and 1 vouch for the last request that there is room for while apps stand still.
    for node in &mut group.nodes {
        node.paused_app = true;
    }
    for number in 4..8 {
        group.request(2, &format!("other-{number}"), "/");
        group.stabilize();
    }
    group.withheld.extend((1..4).map(|id| (id, "COMMIT")));
    let wanted = group.request(0, "k", "/");
    group.request(1, "k", "/");
    group.stabilize();
    group.heal();
    group.advance(Duration::from_secs(1));
    assert_eq!(committed(&group), [8; 4]);
    // It met the limit of the one, and waits on for the other. Now somebody brings it once more.
    group.advance(Duration::from_millis(200));
    let body = Supply::Requests(vec![wanted.encode()]);
    group.supply(2, 0, body);
    for node in &mut group.nodes {
        node.paused_app = false;
    }
    group.advance(Duration::from_secs(1));
    assert_eq!(charged(&group, 1)[7..], [(0, false), (1, false)]);
}
