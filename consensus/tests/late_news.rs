//! What comes late, about a request that ran, brings it back for nobody.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::time::Duration;

use byzantine_consensus::{
    Message, ReplicaId, Request, Sequence, Subject, Supply, Suspicion, Verdict, View,
};
use group::Group;

/// Gateway 1 uses a key for one request and then for another, which is refused.
fn group_with_a_refusal(interval: u64) -> (Group, Request) {
    let mut group = Group::new(4, 1, interval);
    group.stabilize();
    group.request(1, "k", "/one");
    group.stabilize();
    let refused = group.request(1, "k", "/two");
    group.stabilize();
    assert_eq!(verdicts(&group), [true, false]);
    (group, refused)
}

/// Of each request that was ordered, whether it was called.
fn verdicts(group: &Group) -> Vec<bool> {
    let answers = group.nodes[0].ledger.iter().flat_map(|it| &it.answers);
    answers
        .map(|it| matches!(it.verdict, Verdict::Call { .. }))
        .collect()
}

/// Member 3 says that a request was late in view 0, as often as its STATUS makes it.
fn suspect(group: &mut Group, late: &Request) {
    let subject = Subject::Request(late.id());
    let suspicion = Suspicion {
        view: View(0),
        subject,
    };
    group.forge(3, &[Message::Suspect(suspicion)], &[]);
    group.advance(Duration::from_secs(10));
}

#[test]
fn what_ran_a_day_ago_does_not_run_again_for_a_suspicion() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    let paid = group.request(1, "k", "/pay");
    group.stabilize();
    let day = Duration::from_hours(25);
    group.advance_by(day, Duration::from_hours(1));
    group.request(2, "other", "/");
    group.stabilize();
    suspect(&mut group, &paid);
    assert_eq!(
        group.calls(0),
        2,
        "the key is forgotten, the payment is not"
    );
}

#[test]
fn a_copy_of_an_old_word_makes_nothing_run_again() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    let paid = group.request(1, "k", "/pay");
    group.stabilize();
    let day = Duration::from_hours(25);
    group.advance_by(day, Duration::from_hours(1));
    group.request(2, "other", "/");
    group.stabilize();
    let copy = Message::Requests {
        as_of: Sequence(0),
        requests: vec![paid.encode()],
    };
    group.forge(1, &[copy], &[]);
    group.advance(Duration::from_secs(10));
    assert_eq!(group.calls(0), 2);
    let standing = group.nodes[0].replica.as_ref().unwrap().standing();
    assert_eq!(
        (standing.view, standing.pooled),
        (View(0), 0),
        "nor is it waited for"
    );
    group.forge(1, &[group::words::requests(&[&paid])], &[]);
    group.advance(Duration::from_secs(10));
    assert_eq!(group.calls(0), 3, "its gateway was asked anew");
}

#[test]
fn a_suspicion_has_a_refusal_decided_anew_ever_more_seldom() {
    let (mut group, refused) = group_with_a_refusal(8);
    for _ in 0..50 {
        suspect(&mut group, &refused);
    }
    let again = verdicts(&group).len() - 2;
    assert!((3..=9).contains(&again), "{again} times in 500 seconds");
}

#[test]
fn whoever_suspects_over_a_refusal_says_when_it_is_content() {
    let mut group = Group::new(7, 2, 8);
    group.stabilize();
    group.request(1, "k", "/one");
    group.stabilize();
    // Member 3 alone hears of the next, and cannot tell the primary.
    group.cut.extend([0, 2, 4, 5, 6].map(|other| (1, other)));
    group.cut.insert((3, 0));
    group.request(1, "k", "/two");
    group.stabilize();
    group.crash(1);
    assert_eq!(verdicts(&group), [true]);
    group.advance(Duration::from_secs(30));
    assert_eq!(verdicts(&group), [true, false], "others took it up");
    group.heal();
    group.advance(Duration::from_mins(5));
    assert_eq!(verdicts(&group), [true, false]);
    let up = group.nodes.iter().filter(|node| node.replica.is_some());
    let mut views = up.map(|it| it.replica.as_ref().unwrap().standing().view);
    assert!(views.all(|view| view == View(0)));
}

#[test]
fn a_backup_takes_no_body_that_nobody_waits_for() {
    let (mut group, refused) = group_with_a_refusal(2);
    for number in 0..4 {
        group.request(2, &format!("other-{number}"), "/");
        group.stabilize();
    }
    group.advance(Duration::from_secs(1));
    // All of them forgot it with the checkpoint. An answer that comes too late, and its word:
    let bodies = Supply::Requests(vec![refused.encode()]);
    group.supply(3, 2, bodies.clone());
    group.forge(1, &[group::words::admitted(&[&refused])], &[]);
    group.advance(Duration::from_secs(30));
    assert_eq!(verdicts(&group), [true, false, true, true, true, true]);
    // What a primary is given somebody waits for.
    group.supply(3, 0, bodies);
    group.forge(1, &[group::words::admitted(&[&refused])], &[]);
    group.advance(Duration::from_secs(1));
    assert_eq!(verdicts(&group).last(), Some(&false));
    let standing = group.nodes[2].replica.as_ref().unwrap().standing();
    assert_eq!((standing.pooled, standing.view), (0, View(0)));
    assert_eq!(
        group.nodes[0].ledger.last().unwrap().answers[0].gateway,
        ReplicaId(1)
    );
}

#[test]
fn a_primary_is_given_what_its_gateway_asked_of_some_once_more() {
    let (mut group, refused) = group_with_a_refusal(8);
    // A liar would have the primary evicted: as one of those who suspect it, with those whom alone
    // its gateway tells that the client tries again.
    let slow = Suspicion {
        view: View(0),
        subject: Subject::Slow,
    };
    group.forge(1, &[Message::Suspect(slow)], &[]);
    for _ in 0..5 {
        group.forge_to(&[2, 3], 1, &[group::words::requests(&[&refused])]);
        group.advance(Duration::from_secs(20));
    }
    let again = [true, false, false, false, false, false, false];
    assert_eq!(verdicts(&group), again);
    for node in &group.nodes {
        let standing = node.replica.as_ref().unwrap().standing();
        assert_eq!((standing.pooled, standing.view), (0, View(0)));
    }
}

#[test]
fn what_was_on_its_way_to_the_primary_while_it_ran_is_not_decided_twice() {
    let (mut group, refused) = group_with_a_refusal(8);
    let bodies = Supply::Requests(vec![refused.encode()]);
    group.supply(3, 0, bodies.clone());
    group.advance(Duration::from_millis(600));
    assert_eq!(verdicts(&group), [true, false]);
    // By now somebody must be waiting for it still.
    group.supply(3, 0, bodies);
    group.advance(Duration::from_millis(100));
    assert_eq!(verdicts(&group), [true, false, false]);
}

#[test]
fn so_it_is_when_a_checkpoint_has_cut_what_it_knew_of_that() {
    let mut group = Group::with_quota(4, 1, 2, 1);
    group.stabilize();
    group.request(1, "k1", "/one");
    group.stabilize();
    let refused = group.request(1, "k2", "/two");
    group.stabilize();
    group.request(2, "k3", "/three");
    group.request(3, "k4", "/four");
    group.advance(Duration::from_secs(9));
    assert_eq!(verdicts(&group), [true, false, true, true]);
    let slow = Suspicion {
        view: View(0),
        subject: Subject::Slow,
    };
    group.forge(1, &[Message::Suspect(slow)], &[]);
    group.forge_to(&[2, 3], 1, &[group::words::requests(&[&refused])]);
    group.advance(Duration::from_secs(20));
    assert_eq!(verdicts(&group), [true, false, true, true, false]);
    for node in &group.nodes {
        let standing = node.replica.as_ref().unwrap().standing();
        assert!(standing.stable >= Sequence(4));
        assert_eq!((standing.pooled, standing.view), (0, View(0)));
    }
}

#[test]
fn a_primary_is_given_what_it_ran_under_a_key_that_is_forgotten() {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    let paid = group.request(1, "k", "/pay");
    group.stabilize();
    group.advance_by(Duration::from_hours(25), Duration::from_hours(1));
    group.request(2, "other", "/");
    group.stabilize();
    // Its gateway lets it in once more, and tells two backups alone.
    group.forge_to(&[2, 3], 1, &[group::words::requests(&[&paid])]);
    group.advance(Duration::from_secs(20));
    assert_eq!(verdicts(&group), [true, true, true]);
    for node in &group.nodes {
        let standing = node.replica.as_ref().unwrap().standing();
        assert_eq!((standing.pooled, standing.view), (0, View(0)));
    }
}

#[test]
fn what_was_answered_below_the_checkpoint_is_not_kept_again() {
    let mut group = Group::new(4, 1, 2);
    group.stabilize();
    let paid = group.request(1, "k", "/pay");
    group.stabilize();
    group.request(2, "other", "/");
    group.advance(Duration::from_secs(1));
    let pooled = |group: &Group| {
        let replica = group.nodes[2].replica.as_ref().unwrap();
        assert_eq!(replica.standing().stable, Sequence(2));
        replica.pooled_of(ReplicaId(3))
    };
    group.talk.take();
    group.forge_to(&[2], 3, &[group::words::requests(&[&paid])]);
    assert_eq!((pooled(&group), group.talk.take()), (0, String::new()));
}
