//! A replica follows entries without bodies: the same tree, the same keys, and nothing that was
//! not certified.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::sync::Arc;
use std::time::Duration;

use byzantine_consensus::{
    Bare, BareAnswer, Batch, Certificate, Follower, LedgerState, Message, Rejection, Request,
    Retention, Sequence, Settlement, UnixMillis, Verdict, View, Vote,
};
use group::Group;

const INTERVAL: u64 = 4;

/// So few that some requests meet the limit.
const GATEWAY_KEYS: u32 = 1;

/// A faulty primary has everyone order a request that was answered once more.
fn order_again(group: &mut Group, request: &Request) {
    let sequence = Sequence(2);
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
    group.forge(0, &[Message::PrePrepare(vote)], &[batch.encode()]);
    group.stabilize();
}

/// Requests with keys of their own, with keys that were used before, and with keys for which there
/// is no room, over two checkpoints; and one that was ordered twice.
fn history() -> (Group, Vec<Settlement>) {
    let mut group = Group::with_quota(4, 1, INTERVAL, GATEWAY_KEYS);
    group.stabilize();
    let first = group.request(1, "key-0", "/0");
    group.stabilize();
    group.crash(0);
    order_again(&mut group, &first);
    // The next one makes them leave that primary.
    group.request(2, "key-1", "/1");
    group.advance(Duration::from_secs(10));
    for number in 2..12 {
        let key = format!("key-{}", number % 5);
        let target = format!("/{}", number % 3);
        group.request(1 + number % 3, &key, &target);
        group.stabilize();
        group.advance(Duration::from_millis(300));
    }
    let settlements = group.nodes[1].ledger.clone();
    assert!(settlements.len() as u64 >= 2 * INTERVAL);
    let answers = || settlements.iter().flat_map(|it| &it.answers);
    let reused = answers().any(|it| it.verdict == Verdict::Reused);
    let limited = answers().any(|it| matches!(it.verdict, Verdict::Limit(_)));
    assert!(reused && limited, "keys are used twice, and used up");
    assert!(settlements[1].answers.is_empty(), "it was answered before");
    (group, settlements)
}

fn bare(settlement: &Settlement) -> Bare {
    let answers = settlement.answers.iter().map(|settled| BareAnswer {
        leaf: settled.answer.leaf.clone(),
        expires: settled.expires,
    });
    Bare {
        batch: settlement.batch.clone(),
        answers: answers.collect(),
    }
}

fn follower(group: &Group) -> Follower {
    Follower::new(
        Arc::new(group.membership().clone()),
        group.authority(3),
        INTERVAL,
        Retention {
            client: Duration::from_hours(24),
            gateway: Duration::from_mins(10),
            gateway_keys: GATEWAY_KEYS,
        },
        LedgerState::default(),
    )
}

fn interval(group: &Group, settlements: &[Settlement], number: u64) -> (Vec<Bare>, Certificate) {
    let (first, last) = (number * INTERVAL + 1, (number + 1) * INTERVAL);
    let within = settlements
        .iter()
        .filter(|it| (first..=last).contains(&it.sequence.0));
    let certificate = group.certificate(1, last);
    (
        within.map(bare).collect(),
        certificate.expect("a stable checkpoint has a certificate"),
    )
}

fn expiries(settlement: &Settlement) -> impl Iterator<Item = UnixMillis> + '_ {
    settlement.answers.iter().map(|settled| settled.expires)
}

#[test]
fn tree_and_keys_follow_without_a_body() {
    let (group, settlements) = history();
    let mut follower = follower(&group);
    let mut taken = Vec::new();
    for number in 0..2 {
        let (entries, certificate) = interval(&group, &settlements, number);
        let (moved, settled) = follower.follow(&entries, &certificate).unwrap();
        taken.extend(settled);
        follower = moved;
    }
    assert_eq!(follower.sequence(), Sequence(2 * INTERVAL));
    for (found, expected) in taken.iter().zip(&settlements) {
        assert_eq!((found.size, found.root), (expected.size, expected.root));
        assert_eq!(
            (found.time, found.ordinal),
            (expected.time, expected.ordinal)
        );
        assert_eq!(found.batch_leaf, expected.batch_leaf);
        let names = |settlement: &Settlement| -> Vec<_> {
            let answers = settlement.answers.iter();
            let names = answers.map(|it| (it.request_id, it.key_hash, it.verdict, it.gateway));
            names.zip(expiries(settlement)).collect()
        };
        assert_eq!(names(found), names(expected));
    }
}

#[test]
fn whatever_is_altered_is_noticed_before_anything_is_kept() {
    let (group, settlements) = history();
    let (entries, certificate) = interval(&group, &settlements, 0);
    let place = entries
        .iter()
        .position(|it| !it.answers.is_empty())
        .unwrap();
    let refused = |entries: &[Bare], certificate: &Certificate| {
        follower(&group).follow(entries, certificate).err()
    };
    assert_eq!(refused(&entries, &certificate), None);
    // Another gateway is charged, which the batch's digest and the key table's tell.
    let mut charged = Batch::decode(&entries[place].batch).unwrap();
    charged.admissions[0].gateway.0 ^= 1;
    let mut altered = entries.clone();
    altered[place].batch = charged.encode();
    assert_eq!(refused(&altered, &certificate), Some(Rejection::Supply));
    // A key that is remembered for the other time, which only the key table's digest tells.
    let mut altered = entries.clone();
    let expires = &mut altered[place].answers[0].expires;
    *expires = UnixMillis(expires.0 - 24 * 3_600_000 + 600_000);
    assert_eq!(refused(&altered, &certificate), Some(Rejection::Supply));
    // One that is remembered for no time that this service knows.
    let mut altered = entries.clone();
    altered[place].answers[0].expires.0 += 1;
    assert_eq!(refused(&altered, &certificate), Some(Rejection::Supply));
    let mut altered = entries.clone();
    altered[place].answers.clear();
    assert_eq!(refused(&altered, &certificate), Some(Rejection::Supply));
    let mut altered = entries.clone();
    let answer = altered[place].answers[0].clone();
    altered[place].answers.push(answer);
    assert_eq!(refused(&altered, &certificate), Some(Rejection::Supply));
    assert_eq!(
        refused(&entries[..entries.len() - 1], &certificate),
        Some(Rejection::Supply)
    );
    assert_eq!(
        refused(&entries[1..], &certificate),
        Some(Rejection::Supply)
    );
    let mut thin = certificate;
    thin.cosignatures.truncate(2);
    assert!(refused(&entries, &thin).is_some());
}
