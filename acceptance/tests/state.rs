//! Bodies are dropped, apps lose their data and replicas all but their keys: snapshots and the
//! entries that are kept for ever bring them back, and nobody believes a liar's snapshot.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use byzantine_acceptance::comeback::{caught_up, ledgers_are_equal, votes_again};
use byzantine_acceptance::eventually::until;
use byzantine_acceptance::service::Part;
use byzantine_acceptance::wallet::Wallet;
use byzantine_acceptance::{Acknowledged, Call, Launch, Load, Service};
use byzantine_adversary::Fault;
use byzantine_sidecar::status::{ObservationKind, PastStatus};

const VICTIM: u8 = 2;

/// Offers snapshots of a state that nobody has, and damages true ones.
const LIAR: u8 = 0;

/// The shortest memory there is: a snapshot every 128 sequences, bodies for a minute.
const SPEC: &str = "  \
  http: {keyRetention: 1m}
  consensus: {checkpointInterval: 8}
  storage: {ledger: {keepBodies: 1m}}";

/// Few at a time, so that there are many sequences.
const IN_FLIGHT: usize = 4;

/// Payments between two looks.
const ROUND: usize = 100;

/// A steady load: so long is a round of large requests.
const ROUND_TIME: Duration = Duration::from_secs(10);

/// And so long are all of them: more than twice as long as bodies are kept.
const STEADY: Duration = Duration::from_secs(150);

/// By then bodies must have been dropped.
const FORGOTTEN: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread")]
async fn lost_data_and_a_lost_ledger_come_back_whatever_a_liar_offers() {
    let launch = Launch::wallet_with(SPEC).with_fault(LIAR, Fault::FalseSnapshot);
    let (mut service, mut wallet) = forgetful(launch).await;
    an_app_loses_its_data(&mut service, &mut wallet).await;
    a_replica_loses_all_but_its_keys(&mut service, &mut wallet).await;
    no_app_answers_wrongly(&service).await;
    service.stop().await;
    ledgers_are_equal(&service);
}

/// Whoever took a false state would answer otherwise.
async fn no_app_answers_wrongly(service: &Service) {
    let observed = service.observed(None).await;
    let wrong =
        |(_, kind, _): &(u8, ObservationKind, Option<u8>)| *kind == ObservationKind::WrongAnswer;
    assert!(!observed.iter().any(wrong), "{observed:?}");
    assert!(!service.logs().contains("mallory"));
}

/// It comes back by a snapshot and the calls since.
async fn an_app_loses_its_data(service: &mut Service, wallet: &mut Wallet) {
    // The running app does not notice; the next one finds nothing.
    fs::remove_dir_all(replica(service).join("app")).unwrap();
    fs::create_dir(replica(service).join("app")).unwrap();
    let before = service.status(VICTIM).await.unwrap();
    service.kill(VICTIM, Part::App);
    let past = restored(service).await;
    service.ready(VICTIM).await;
    wallet.pay("app", ROUND).await;
    wallet.check("app").await;
    caught_up(service, VICTIM).await;
    let snapshot = past.restored_sequence.unwrap();
    assert!(snapshot + 1 >= past.first_bodies, "{past:?}");
    let all = before.ordinal;
    let replayed = past.replayed_calls - before.past.replayed_calls;
    assert!(
        replayed < all / 2,
        "{replayed} of {all} calls were replayed"
    );
}

/// It takes leaves and tree from the others, its app a snapshot; it votes, and knows the keys.
async fn a_replica_loses_all_but_its_keys(service: &mut Service, wallet: &mut Wallet) {
    let client = service.client();
    let call = Call::get("/total", "used-before-the-loss");
    let first = client.call(&call, 0).await;
    all_but_its_keys_are_lost(service).await;
    wallet.pay("ledger", ROUND).await;
    let past = restored(service).await;
    assert!(
        past.first_bodies > 1,
        "its ledger begins with bodies: {past:?}"
    );
    caught_up(service, VICTIM).await;
    keys_mean_what_they_mean_elsewhere(service, &call, &first).await;
    votes_again(service, VICTIM).await;
    wallet.check("ledger").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_hold_no_more_than_what_proofs_stand_on() {
    let mut service = Launch::wallet_with(SPEC).start().await;
    let started = Instant::now();
    let (mut sizes, mut round) = (Vec::new(), 0);
    while started.elapsed() < STEADY {
        let at = Instant::now();
        large_requests(&service, &format!("steady-{round}"), 400).await;
        round += 1;
        sizes.push(on_disk(&service));
        tokio::time::sleep(ROUND_TIME.saturating_sub(at.elapsed())).await;
    }
    // Of the second half nothing would have been dropped otherwise: twice 16 kB a request. A
    // machine that is busy with other things drops later, and holds more for a while.
    let (middle, end) = (sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    let kept = (sizes.len() / 2 * 400 * 16) as u64 * 1024;
    let grown = end.saturating_sub(middle);
    assert!(
        grown < kept * 3 / 4,
        "the ledger grew by {grown} bytes of {kept}: {sizes:?}"
    );
    service.stop().await;
    ledgers_are_equal(&service);
}

/// A service that has dropped bodies on every replica.
async fn forgetful(launch: Launch) -> (Service, Wallet) {
    let (service, started) = (launch.start().await, Instant::now());
    let mut wallet = Wallet::open(&service.client(), IN_FLIGHT).await;
    wallet.pay("much", 4 * ROUND).await;
    while !has_dropped_bodies(&service).await {
        assert!(started.elapsed() < FORGOTTEN, "no bodies were dropped");
        // Agreed time moves with requests alone.
        wallet
            .pay(&format!("{:?}", started.elapsed()), ROUND / 4)
            .await;
    }
    wallet.check("before").await;
    (service, wallet)
}

async fn has_dropped_bodies(service: &Service) -> bool {
    let mut dropped = true;
    for replica in service.replicas() {
        let status = service.status(replica).await.unwrap();
        dropped &= status.past.first_bodies > 1;
    }
    dropped
}

async fn all_but_its_keys_are_lost(service: &mut Service) {
    service.stop().await;
    for entry in fs::read_dir(replica(service)).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("keys") {
            continue;
        }
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    service.start_without(Some(VICTIM)).await;
}

/// What is told of its past once it was rebuilt from a snapshot.
async fn restored(service: &Service) -> PastStatus {
    let past = async || service.status(VICTIM).await.map(|status| status.past);
    let rebuilt = |past: &Option<PastStatus>| {
        past.as_ref()
            .is_some_and(|past| past.restored_sequence.is_some())
    };
    let past = until("it is rebuilt from a snapshot", past, rebuilt).await;
    past.unwrap()
}

/// A key that was used before has its first answer there, too, and no other request gets one.
async fn keys_mean_what_they_mean_elsewhere(service: &Service, call: &Call, first: &Acknowledged) {
    let (client, victim) = (service.client(), usize::from(VICTIM));
    let again = client.call(call, victim).await;
    assert_eq!(again.gateway, victim);
    assert_eq!(again.leaf(), first.leaf());
    assert_eq!(again.verified.body, first.verified.body);
    let other = Call::get("/balances", call.key.clone());
    let reused = client.call(&other, victim).await;
    assert_eq!(reused.status(), 422, "{reused:?}");
}

/// Requests of 16 kB each, of which the app keeps nothing.
async fn large_requests(service: &Service, name: &str, count: usize) {
    let body = [&[b' '; 16 << 10][..], b"{}"].concat();
    let calls = (0..count).map(|number| Call {
        body: body.clone().into(),
        ..Call::post(
            "/payments",
            &serde_json::json!({}),
            format!("{name}-{number}"),
        )
    });
    let client = service.client();
    let answered = Load::start(&client, calls.collect(), IN_FLIGHT)
        .finish()
        .await;
    assert!(answered.iter().all(|(_, answer)| answer.status() == 400));
}

/// What the ledger of a replica takes on disk.
fn on_disk(service: &Service) -> u64 {
    let ledger = replica(service).join("ledger/ledger.redb");
    fs::metadata(ledger).unwrap().blocks() * 512
}

fn replica(service: &Service) -> PathBuf {
    service.data().join(format!("replica-{VICTIM}"))
}
