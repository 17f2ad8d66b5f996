//! Links between replicas over real sockets: who may speak to whom.

use std::sync::Arc;
use std::time::Duration;

use byzantine_consensus::{Fetch, Frame, Sequence};
use byzantine_proof::{ReplicaId, SecretKey};
use byzantine_sidecar::interposer::{Isolation, Parcel};
use byzantine_sidecar::peers::{Neighbourhood, PeerEvent, Peers};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::Members;

type Events = mpsc::Receiver<PeerEvent>;

/// Replicas 0 and 1 know each other's address; 1 has the link key given.
async fn pair(members: &Members, second: &SecretKey) -> [(Peers, Events); 2] {
    pair_that_may_be_cut(members, second, &Isolation::default()).await
}

/// The same; 0 is cut off from 1 while the isolation lasts.
async fn pair_that_may_be_cut(
    members: &Members,
    second: &SecretKey,
    isolation: &Isolation,
) -> [(Peers, Events); 2] {
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = "127.0.0.1:1".to_owned();
    let addresses = vec![
        first.local_addr().unwrap().to_string(),
        other.local_addr().unwrap().to_string(),
        nowhere.clone(),
        nowhere,
    ];
    let start = |replica, key: &SecretKey, listener, isolation| {
        let neighbourhood = Neighbourhood {
            membership: Arc::clone(&members.membership),
            replica: ReplicaId(replica),
            addresses: addresses.clone(),
            isolation,
        };
        let (peers, events) = Peers::start(neighbourhood, key, listener).unwrap();
        let other = ReplicaId(1 - replica);
        let events = events.into_iter().find(|(peer, _)| *peer == other);
        (peers, events.unwrap().1)
    };
    [
        start(0, &members.keys[0].link, first, isolation.clone()),
        start(1, second, other, Isolation::default()),
    ]
}

fn question(sequence: u64) -> Frame {
    Frame::Fetch(Fetch::Entries(Sequence(sequence)))
}

async fn next(events: &mut Events) -> Option<PeerEvent> {
    timeout(Duration::from_secs(5), events.recv())
        .await
        .ok()
        .flatten()
}

#[tokio::test]
async fn a_switch_cuts_the_links_both_ways_until_it_is_turned_back() {
    let directory = tempfile::tempdir().unwrap();
    let members = Members::new(directory.path());
    let (switch, seen) = tokio::sync::watch::channel(true);
    let isolation = Isolation::new(seen);
    let [(_first, mut to_first), (_second, mut to_second)] =
        pair_that_may_be_cut(&members, &members.keys[1].link, &isolation).await;
    let early = timeout(Duration::from_millis(300), async {
        tokio::select! { event = to_first.recv() => event, event = to_second.recv() => event }
    });
    assert!(early.await.is_err());
    for _ in 0..2 {
        switch.send_replace(false);
        for events in [&mut to_first, &mut to_second] {
            assert!(matches!(next(events).await, Some(PeerEvent::Connected)));
        }
        switch.send_replace(true);
        for events in [&mut to_first, &mut to_second] {
            assert!(matches!(next(events).await, Some(PeerEvent::Disconnected)));
        }
    }
}

#[tokio::test]
async fn members_exchange_frames_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let members = Members::new(directory.path());
    let [(first, mut to_first), (_second, mut to_second)] =
        pair(&members, &members.keys[1].link).await;
    assert!(matches!(
        next(&mut to_first).await,
        Some(PeerEvent::Connected)
    ));
    assert!(matches!(
        next(&mut to_second).await,
        Some(PeerEvent::Connected)
    ));
    for sequence in 1..=100 {
        first.send(Parcel::now(ReplicaId(1), question(sequence).encode()));
    }
    for sequence in 1..=100 {
        match next(&mut to_second).await {
            Some(PeerEvent::Frame { frame, .. }) => assert_eq!(frame, question(sequence)),
            other => panic!("{other:?} instead of frame {sequence}"),
        }
    }
    assert!(first.is_connected(ReplicaId(1)));
}

#[tokio::test]
async fn bytes_that_are_no_frame_are_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let members = Members::new(directory.path());
    let [(first, mut to_first), (_second, mut to_second)] =
        pair(&members, &members.keys[1].link).await;
    assert!(matches!(
        next(&mut to_first).await,
        Some(PeerEvent::Connected)
    ));
    assert!(matches!(
        next(&mut to_second).await,
        Some(PeerEvent::Connected)
    ));
    first.send(Parcel::now(ReplicaId(1), "no frame".into()));
    assert!(matches!(
        next(&mut to_second).await,
        Some(PeerEvent::Malformed)
    ));
}

/// An intruder has a key of its own, and the address and number of a member.
#[tokio::test]
async fn an_intruder_gets_nothing_and_is_believed_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let members = Members::new(directory.path());
    let intruder = SecretKey::from_seed(&[9; 32]);
    let [(first, mut to_first), (second, mut to_second)] = pair(&members, &intruder).await;
    for _ in 0..20 {
        first.send(Parcel::now(ReplicaId(1), question(1).encode()));
        second.send(Parcel::now(ReplicaId(0), question(2).encode()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        !first.is_connected(ReplicaId(1)),
        "the member must not take the intruder for 1"
    );
    assert!(to_first.try_recv().is_err(), "the member must hear nothing");
    while let Ok(event) = to_second.try_recv() {
        let heard = matches!(event, PeerEvent::Frame { .. });
        assert!(!heard, "the intruder must hear nothing");
    }
}

/// Another member's key does not make a replica that member.
#[tokio::test]
async fn a_member_cannot_answer_for_another() {
    let directory = tempfile::tempdir().unwrap();
    let members = Members::new(directory.path());
    let [(first, mut to_first), _second] = pair(&members, &members.keys[2].link).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!first.is_connected(ReplicaId(1)));
    assert!(to_first.try_recv().is_err());
}
