//! What a faulty member may say and nobody takes: one message each, and the reason that is counted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::limits::{
    ENVELOPE_MESSAGES, GATEWAY_REQUESTS, HEARTBEAT_PERIOD, HEARTBEAT_WINDOWS, KNOWN_REQUESTS,
    WINDOW_INTERVALS,
};
use byzantine_consensus::{
    Attestation, Batch, KeySource, Message, NewView, Notice, Promise, Rejection, ReplicaId,
    Request, RequestId, ResultVote, Sequence, StatusReport, Subject, Suspicion, UnixMillis, View,
    ViewChange, Vote,
};
use byzantine_proof::{Cosignature, Digest};
use group::Group;

fn group() -> Group {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.notices.clear();
    group
}

fn vote(view: u64, sequence: u64, batch: &[u8]) -> Vote {
    Vote {
        view: View(view),
        sequence: Sequence(sequence),
        digest: Digest::of(batch),
    }
}

/// Why the others do not take what `sender` says; each of them once.
fn refused(group: &mut Group, sender: usize, message: Message) -> Vec<Rejection> {
    group.notices.clear();
    let kind = message.kind();
    group.forge(sender, &[message], &[]);
    let id = ReplicaId(u8::try_from(sender).unwrap());
    let told = group.notices.iter().filter_map(|(_, notice)| match notice {
        Notice::Rejected {
            replica,
            rejection,
            kind: of,
        } => {
            assert_eq!((*replica, *of), (id, kind));
            Some(*rejection)
        }
        _ => None,
    });
    told.collect()
}

fn equivocations(group: &Group) -> Vec<(ReplicaId, Sequence)> {
    let told = group.notices.iter().filter_map(|(_, notice)| match notice {
        Notice::Equivocated { replica, sequence } => Some((*replica, *sequence)),
        _ => None,
    });
    told.collect()
}

#[test]
fn only_the_primary_assigns_and_it_does_not_agree_with_itself() {
    let mut group = group();
    let proposal = Message::PrePrepare(vote(0, 1, b"a"));
    assert_eq!(
        refused(&mut group, 1, proposal.clone()),
        [Rejection::NotPrimary; 3]
    );
    assert_eq!(refused(&mut group, 0, proposal), []);
    let agreement = Message::Prepare(vote(0, 1, b"a"));
    assert_eq!(
        refused(&mut group, 0, agreement),
        [Rejection::NotPrimary; 3]
    );
    let later = Message::PrePrepare(vote(4, 1, b"a"));
    assert_eq!(refused(&mut group, 0, later), [Rejection::WrongView; 3]);
}

#[test]
fn votes_stay_within_the_window() {
    let mut group = group();
    for (sequence, outside) in [(0, true), (1, false), (16, false), (17, true)] {
        let expected = [Rejection::OutsideWindow; 3];
        let expected = if outside { &expected[..] } else { &[] };
        for message in [
            Message::Prepare(vote(0, sequence, b"a")),
            Message::Commit(vote(0, sequence, b"a")),
            Message::Result(ResultVote {
                sequence: Sequence(sequence),
                leaves: vec![],
            }),
        ] {
            assert_eq!(
                refused(&mut group, 2, message.clone()),
                expected,
                "{message:?}"
            );
        }
        if outside {
            let proposal = Message::PrePrepare(vote(0, sequence, b"a"));
            assert_eq!(refused(&mut group, 0, proposal), expected);
            let promise = Promise {
                sequence: Sequence(sequence),
                leaves: vec![],
                answers: vec![],
            };
            assert_eq!(refused(&mut group, 2, Message::Promise(promise)), expected);
        }
    }
}

#[test]
fn who_says_two_things_is_named_and_who_repeats_himself_is_not() {
    let mut group = group();
    let result = |leaf: &[u8]| {
        Message::Result(ResultVote {
            sequence: Sequence(2),
            leaves: vec![Some(Digest::of(leaf))],
        })
    };
    let pairs = [
        (
            3,
            Message::Prepare(vote(0, 2, b"a")),
            Message::Prepare(vote(0, 2, b"b")),
        ),
        (
            3,
            Message::Commit(vote(0, 2, b"a")),
            Message::Commit(vote(0, 2, b"b")),
        ),
        (3, result(b"a"), result(b"b")),
        (
            0,
            Message::PrePrepare(vote(0, 2, b"a")),
            Message::PrePrepare(vote(0, 2, b"b")),
        ),
    ];
    for (sender, first, second) in pairs {
        assert_eq!(refused(&mut group, sender, first.clone()), [], "{first:?}");
        assert_eq!(refused(&mut group, sender, first), []);
        assert_eq!(equivocations(&group), []);
        let expected = [Rejection::Equivocation; 3];
        assert_eq!(
            refused(&mut group, sender, second.clone()),
            expected,
            "{second:?}"
        );
        let id = ReplicaId(u8::try_from(sender).unwrap());
        assert_eq!(equivocations(&group), [(id, Sequence(2)); 3]);
    }
}

#[test]
fn backups_that_were_told_different_things_convict_the_primary_at_once() {
    let mut group = group();
    group.crash(0);
    for (key, told) in [("a", &[1, 3][..]), ("b", &[2])] {
        let request = group.request(1, key, "/");
        group.stabilize();
        let batch = Batch {
            sequence: Sequence(1),
            time: Some(UnixMillis(group.time().unix.0)),
            requests: vec![request.id()],
            admissions: vec![group::words::word(1)],
            resolutions: vec![],
        };
        let vote = Vote {
            view: View(0),
            sequence: batch.sequence,
            digest: batch.digest(),
        };
        group.forge_with(told, 0, &[Message::PrePrepare(vote)], &[batch.encode()]);
    }
    group.stabilize();
    // One of each side shows the other what it was told; no time has passed.
    assert_eq!(equivocations(&group), [(ReplicaId(0), Sequence(1)); 2]);
}

#[test]
fn a_vote_of_an_older_view_is_no_contradiction() {
    let mut group = group();
    assert_eq!(
        refused(&mut group, 3, Message::Prepare(vote(1, 2, b"a"))),
        []
    );
    assert_eq!(
        refused(&mut group, 3, Message::Prepare(vote(0, 2, b"b"))),
        []
    );
    assert_eq!(equivocations(&group), []);
}

#[test]
fn a_cosignature_that_does_not_verify_is_not_kept() {
    let mut group = group();
    let forged = Message::Attest(Attestation {
        sequence: Sequence(1),
        size: 2,
        root: Digest::of(b"root"),
        cosignature: Cosignature::from_bytes(&[7; 72]).unwrap(),
    });
    assert_eq!(
        refused(&mut group, 2, forged.clone()),
        [Rejection::Cosignature; 3]
    );
    // For an open checkpoint it is looked at even when a later sequence is certified.
    assert_eq!(refused(&mut group, 2, forged), [Rejection::Cosignature; 3]);
}

#[test]
fn a_view_is_left_and_opened_on_evidence_only() {
    let mut group = group();
    let view_change = |view| {
        Message::ViewChange(ViewChange {
            view: View(view),
            suspicions: vec![],
            stable: None,
            prepared: vec![],
        })
    };
    assert_eq!(
        refused(&mut group, 1, view_change(1)),
        [Rejection::Certificate; 3]
    );
    assert_eq!(
        refused(&mut group, 1, view_change(0)),
        [Rejection::WrongView; 3]
    );
    let new_view = |view| {
        Message::NewView(NewView {
            view: View(view),
            view_changes: vec![],
        })
    };
    assert_eq!(
        refused(&mut group, 2, new_view(1)),
        [Rejection::NotPrimary; 3]
    );
    assert_eq!(
        refused(&mut group, 1, new_view(1)),
        [Rejection::Certificate; 3]
    );
    let suspicion = |view, subject| {
        Message::Suspect(Suspicion {
            view: View(view),
            subject,
        })
    };
    // One liar's suspicions, of whatever, move nobody.
    for subject in [
        Subject::NewView,
        Subject::Slow,
        Subject::Sequence(Sequence(1)),
        Subject::Request(RequestId(Digest::of(b"none"))),
    ] {
        for view in [0, 1, 7] {
            assert_eq!(refused(&mut group, 3, suspicion(view, subject)), []);
        }
    }
    group.advance(Duration::from_secs(20));
    let views = group
        .nodes
        .iter()
        .map(|node| node.replica.as_ref().unwrap().standing());
    assert!(views.clone().all(|at| at.view == View(0) && !at.changing));
}

#[test]
fn a_suspicion_of_a_view_that_is_over_is_late() {
    let mut group = group();
    let (view, subject) = (View(0), Subject::NewView);
    for sender in 1..4 {
        group.forge(
            sender,
            &[Message::Suspect(Suspicion { view, subject })],
            &[],
        );
    }
    group.stabilize();
    let standing = group.nodes[1].replica.as_ref().unwrap().standing();
    assert_eq!((standing.view, standing.changing), (View(1), false));
    let late = Message::Suspect(Suspicion { view, subject });
    assert_eq!(refused(&mut group, 3, late), [Rejection::WrongView; 3]);
}

#[test]
fn a_gateway_has_so_much_room_for_requests_and_no_more() {
    let mut group = group();
    group.crash(0);
    let named = |name: &str, count: usize| -> Vec<Request> {
        let key = |number| request(&format!("{name}{number}"));
        (0..count).map(key).collect()
    };
    let say = |requests: &[Request]| group::words::requests(&requests.iter().collect::<Vec<_>>());
    let full = KNOWN_REQUESTS / GATEWAY_REQUESTS;
    for part in 0..full {
        let requests = named(&format!("{part}-"), GATEWAY_REQUESTS);
        assert_eq!(refused(&mut group, 0, say(&requests)), [], "part {part}");
    }
    // What is here already takes no room.
    let known = say(&named("0-", GATEWAY_REQUESTS));
    assert_eq!(refused(&mut group, 0, known), []);
    let more = say(&named("more", 1));
    assert_eq!(refused(&mut group, 0, more), [Rejection::Quota; 3]);
    // Another gateway has room of its own; and nobody says so many at once.
    let others = say(&named("other", 1));
    assert_eq!(refused(&mut group, 1, others), []);
    let many = say(&named("many", GATEWAY_REQUESTS + 1));
    assert_eq!(refused(&mut group, 2, many), [Rejection::TooMany; 2]);
}

#[test]
fn a_word_names_so_many_requests_and_no_more() {
    let mut group = group();
    let named = |count: usize| {
        let requests: Vec<Request> = (0..count).map(|it| request(&it.to_string())).collect();
        group::words::admitted(&requests.iter().collect::<Vec<_>>())
    };
    assert_eq!(refused(&mut group, 1, named(GATEWAY_REQUESTS)), []);
    let many = named(GATEWAY_REQUESTS + 1);
    assert_eq!(refused(&mut group, 1, many), [Rejection::TooMany; 3]);
}

#[test]
fn a_member_promises_a_sequence_once() {
    let mut group = group();
    let promise = |leaves| {
        Message::Promise(Promise {
            sequence: Sequence(1),
            leaves,
            answers: vec![],
        })
    };
    assert_eq!(refused(&mut group, 3, promise(vec![None])), []);
    assert_eq!(refused(&mut group, 3, promise(vec![None])), []);
    assert_eq!(equivocations(&group), []);
    let other = promise(vec![Some(Digest::of(b"leaf"))]);
    assert_eq!(refused(&mut group, 3, other), [Rejection::Equivocation; 3]);
    assert_eq!(equivocations(&group), [(ReplicaId(3), Sequence(1)); 3]);
}

#[test]
fn a_contradiction_that_another_shows_is_one() {
    let result = |leaf| {
        Message::Result(ResultVote {
            sequence: Sequence(1),
            leaves: vec![leaf],
        })
    };
    let pairs = [
        [b"a", b"b"].map(|batch| Message::Prepare(vote(0, 1, batch))),
        [b"a", b"b"].map(|batch| Message::Commit(vote(0, 1, batch))),
        [None, Some(Digest::of(b"leaf"))].map(result),
    ];
    for [first, second] in pairs {
        let mut group = group();
        assert_eq!(refused(&mut group, 3, first.clone()), []);
        group.show(2, 0, 3, &[first]);
        assert_eq!(equivocations(&group), []);
        group.show(2, 0, 3, &[second]);
        assert_eq!(equivocations(&group), [(ReplicaId(3), Sequence(1))]);
    }
}

#[test]
fn where_somebody_stands_and_what_his_clients_want_only_he_says() {
    let mut group = group();
    group.crash(3);
    let stands = [Message::Status(StatusReport {
        awaits: Sequence(5),
        ..StatusReport::default()
    })];
    let wants = [group::words::requests(&[&request("k")])];
    let committed = |group: &mut Group| {
        group.advance(Duration::from_secs(1));
        let replica = group.nodes[0].replica.as_ref().unwrap();
        replica.standing().committed.0
    };
    group.show(2, 0, 3, &stands);
    group.show(2, 0, 3, &wants);
    assert_eq!((committed(&mut group), group.calls(0)), (0, 0));
    group.forge_to(&[0], 3, &stands);
    assert_eq!((committed(&mut group), group.calls(0)), (5, 0));
    group.forge_to(&[0], 3, &wants);
    assert_eq!((committed(&mut group), group.calls(0)), (6, 1));
}

#[test]
fn an_envelope_holds_so_many_messages_and_no_more() {
    let votes = |count: usize| -> Vec<Message> {
        let sequences = (1..=count).map(|it| it as u64);
        sequences
            .map(|it| Message::Commit(vote(0, it % 16 + 1, b"a")))
            .collect()
    };
    let rejections = |group: &Group| {
        let told = group.notices.iter();
        told.filter(|(_, notice)| matches!(notice, Notice::Rejected { .. }))
            .count()
    };
    let mut group = group();
    group.show(2, 0, 3, &votes(ENVELOPE_MESSAGES));
    group.forge(3, &votes(ENVELOPE_MESSAGES), &[]);
    assert_eq!(rejections(&group), 0);
    group.forge(3, &votes(ENVELOPE_MESSAGES + 1), &[]);
    assert_eq!(rejections(&group), 3);
}

#[test]
fn one_that_waits_for_ever_is_given_its_share_of_null_batches() {
    let mut group = Group::new(4, 1, 4);
    group.stabilize();
    group.crash(3);
    let waits = Message::Status(StatusReport {
        awaits: Sequence(u64::MAX),
        ..StatusReport::default()
    });
    let proposed = |group: &Group| {
        group.nodes[0]
            .replica
            .as_ref()
            .unwrap()
            .standing()
            .committed
    };
    let share = HEARTBEAT_WINDOWS * WINDOW_INTERVALS * 4;
    for hour in 1..=2 {
        for _ in 0..20 {
            group.forge(3, std::slice::from_ref(&waits), &[]);
            group.advance(Duration::from_secs(5));
        }
        assert_eq!(proposed(&group), Sequence(share * hour));
        group.advance_by(HEARTBEAT_PERIOD, Duration::from_mins(1));
    }
}

fn request(key: &str) -> Request {
    Request {
        method: "POST".into(),
        target: "/".into(),
        headers: vec![],
        body: bytes::Bytes::new(),
        key: key.into(),
        key_source: KeySource::Client,
    }
}
