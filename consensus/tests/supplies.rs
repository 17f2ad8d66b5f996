//! What a peer supplies is adopted if it is certified, and only as it is certified.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::{
    Batch, Entry, Event, Fetch, Frame, Message, Notice, Rejection, Request, Sequence, Settlement,
    Supply, UnixMillis, View, Vote,
};
use byzantine_proof::Digest;
use group::Group;

/// Three members certified two requests, of which the fourth, with number 3, heard nothing.
fn behind() -> (Group, Vec<Entry>) {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.isolate(3);
    for key in ["a", "b"] {
        group.request(0, key, "/");
        group.stabilize();
    }
    let entries = group.nodes[0].entries(Sequence(1));
    assert_eq!(entries.len(), 2);
    group.notices.clear();
    (group, entries)
}

/// What the member that is behind certified then, and why it refused what it was given.
fn supplied(group: &mut Group, entries: Vec<Entry>) -> (u64, Vec<Rejection>) {
    group.supply(0, 3, Supply::Entries(entries));
    let refused = group.notices.iter().filter_map(|(_, notice)| match notice {
        Notice::Rejected { rejection, .. } => Some(*rejection),
        _ => None,
    });
    let refused = refused.collect();
    let replica = group.nodes[3].replica.as_ref().unwrap();
    (replica.standing().certified.0, refused)
}

#[test]
fn what_is_certified_is_adopted_in_its_order() {
    let (mut group, mut entries) = behind();
    entries.reverse();
    assert_eq!(supplied(&mut group, entries), (2, vec![]));
    let standings = [0, 3].map(|id| group.nodes[id].replica.as_ref().unwrap().standing());
    assert_eq!(standings[0].root, standings[1].root);
}

#[test]
fn what_is_altered_is_refused_whole() {
    type Lie = fn(&mut Entry);
    let lies: [(&str, Lie); 8] = [
        ("the same requests at another time", |it| {
            let mut batch = Batch::decode(&it.batch).unwrap();
            batch.time = batch.time.map(|time| UnixMillis(time.0 + 1));
            it.batch = batch.encode();
        }),
        ("other content", |it| {
            it.answers[0].answer.content = Bytes::from_static(b"9");
        }),
        ("other fields", |it| {
            it.answers[0].answer.fields = Bytes::from_static(b"x: y\n");
        }),
        ("one answer fewer", |it| drop(it.answers.pop())),
        ("another root", |it| it.certificate.root = Digest::of(b"")),
        ("another size", |it| it.certificate.size += 1),
        ("another batch", |it| {
            it.batch = Bytes::from_static(b"batch");
        }),
        ("a body that is none", |it| {
            it.requests[0] = Bytes::from_static(b"?");
        }),
    ];
    for (lie, alter) in lies {
        let (mut group, entries) = behind();
        let mut altered = entries[..1].to_vec();
        alter(&mut altered[0]);
        let (certified, refused) = supplied(&mut group, altered);
        assert_eq!((certified, refused.len()), (0, 1), "{lie}: {refused:?}");
        // Nothing of it is left that would keep the truth out.
        assert_eq!(supplied(&mut group, entries).0, 2, "{lie}");
    }
}

#[test]
fn a_body_that_its_batch_does_not_name_is_not_kept() {
    let (mut group, mut entries) = behind();
    let named = Request::decode(&entries[0].requests[0]).unwrap();
    let mut stray = named.clone();
    stray.key = "stray".to_owned();
    entries[0].requests.push(stray.encode());
    assert_eq!(supplied(&mut group, entries), (2, vec![]));
    assert_eq!(given_bodies(&mut group, 3, &stray), "");
    assert_eq!(
        given_bodies(&mut group, 3, &named),
        "3: gives 2 1 requests\n"
    );
}

#[test]
fn what_a_stable_checkpoint_covers_is_the_ledgers() {
    let mut group = Group::new(4, 1, 2);
    group.stabilize();
    let requests = ["a", "b", "c"].map(|key| {
        let request = group.request(1, key, "/");
        group.stabilize();
        request
    });
    let digests: Vec<Digest> = group.nodes[0].ledger.iter().map(digest).collect();
    for (place, given) in [(0, false), (1, false), (2, true)] {
        let bodies = given_bodies(&mut group, 0, &requests[place]);
        assert_eq!(bodies.contains("gives 2 1 requests"), given, "{bodies}");
        let batches = given_batches(&mut group, 0, digests[place]);
        assert_eq!(batches.contains("gives 2 1 batches"), given, "{batches}");
    }
}

#[test]
fn an_answer_that_differs_is_taken_as_its_result_named_it() {
    let mut group = Group::new(4, 1, 8);
    group.nodes[3].odd_app = true;
    group.stabilize();
    group.request(1, "a", "/");
    group.stabilize();
    group.notices.clear();
    let (sequence, index) = (Sequence(1), 0);
    let odd = group.nodes[3].replica.as_ref().unwrap();
    let answer = odd.outcome(sequence, index).unwrap().clone();
    let mut altered = answer.clone();
    altered.content = Bytes::from_static(b"9");
    let other = group.nodes[1].replica.as_ref().unwrap();
    let other = other.outcome(sequence, index).unwrap().clone();
    for answer in [altered, other] {
        let supply = Supply::Outcome {
            sequence,
            index,
            answer,
        };
        group.supply(3, 0, supply);
        let notice = group.notices.pop().map(|(_, notice)| notice);
        let rejection = Rejection::Supply;
        assert!(matches!(notice, Some(Notice::Rejected { rejection: it, .. }) if it == rejection));
    }
    let supply = Supply::Outcome {
        sequence,
        index,
        answer,
    };
    group.supply(3, 0, supply);
    assert!(matches!(
        group.notices.pop(),
        Some((0, Notice::Differs { .. }))
    ));
}

#[test]
fn a_checkpoint_that_was_missed_becomes_stable_by_a_peers_entry() {
    let mut group = group_with_a_missed_checkpoint();
    let entries = group.nodes[1].entries(Sequence(20));
    group.supply(1, 3, Supply::Entries(entries[..1].to_vec()));
    assert_eq!(stable(&group, 3), 20);
}

#[test]
fn that_entry_is_asked_for() {
    let mut group = group_with_a_missed_checkpoint();
    group.heal();
    group.advance(Duration::from_secs(3));
    assert_eq!(stable(&group, 3), 20);
}

#[test]
fn who_restarted_since_asks_for_nothing_that_it_could_not_use() {
    let mut group = group_with_a_missed_checkpoint();
    group.nodes[3].durable = group.nodes[3].ledger.len();
    group.crash(3);
    group.start(3);
    group.heal();
    group.notices.clear();
    group.advance(Duration::from_secs(3));
    assert_eq!(stable(&group, 3), 0);
    let rejected = |(_, notice): &&(usize, Notice)| matches!(notice, Notice::Rejected { .. });
    assert_eq!(group.notices.iter().find(rejected), None);
    // It is needed for every quorum, and has less room than the others: at the latest when it
    // leads itself, null batches bring it to the next checkpoint.
    group.crash(2);
    for key in 22..=41 {
        group.request(1, &key.to_string(), "/");
        group.stabilize();
    }
    group.advance(Duration::from_mins(1));
    let standing = group.nodes[3].replica.as_ref().unwrap().standing();
    assert_eq!((standing.stable, standing.pooled), (Sequence(40), 0));
}

/// Members hold a certificate for 21. The checkpoint before it is stable at all but member 3.
fn group_with_a_missed_checkpoint() -> Group {
    let mut group = Group::new(4, 1, 20);
    group.stabilize();
    group.withheld.extend((0..4).map(|id| (id, "ATTEST")));
    for key in 0..20 {
        group.request(1, &key.to_string(), "/");
        group.stabilize();
    }
    // All hold a certificate for 21, and none for the checkpoint before it.
    group.heal();
    group.request(1, "late", "/");
    group.stabilize();
    group.isolate(3);
    group.advance(Duration::from_secs(3));
    assert_eq!((stable(&group, 1), stable(&group, 3)), (20, 0));
    group
}

fn stable(group: &Group, id: usize) -> u64 {
    let standing = group.nodes[id].replica.as_ref().unwrap().standing();
    assert_eq!(standing.certified, Sequence(21));
    standing.stable.0
}

/// What a member gives member 2, which asks for one request's body.
fn given_bodies(group: &mut Group, id: usize, request: &Request) -> String {
    given(group, id, Fetch::Requests(vec![request.id()]))
}

fn given_batches(group: &mut Group, id: usize, digest: Digest) -> String {
    given(group, id, Fetch::Batches(vec![digest]))
}

fn given(group: &mut Group, id: usize, fetch: Fetch) -> String {
    group.talk.take();
    let (from, frame) = (group::replica_id(2), Frame::Fetch(fetch));
    group.handle(id, Event::Received { from, frame });
    group.talk.take()
}

fn digest(settlement: &Settlement) -> Digest {
    Batch::decode(&settlement.batch).unwrap().digest()
}

fn null_batch(sequence: u64) -> (Batch, Vote) {
    let sequence = Sequence(sequence);
    let batch = Batch {
        sequence,
        time: None,
        requests: vec![],
        admissions: vec![],
        resolutions: vec![],
    };
    let vote = Vote {
        view: View(0),
        sequence,
        digest: batch.digest(),
    };
    (batch, vote)
}

#[test]
fn a_batch_that_nobody_named_is_not_kept() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    let (batch, vote) = null_batch(3);
    let ask = |group: &mut Group| given_batches(group, 1, vote.digest);
    group.supply(3, 1, Supply::Batches(vec![batch.encode()]));
    assert_eq!(ask(&mut group), "");
    group.forge_to(&[1], 0, &[Message::PrePrepare(vote)]);
    group.supply(3, 1, Supply::Batches(vec![batch.encode()]));
    assert_eq!(ask(&mut group), "1: gives 2 1 batches\n");
}
