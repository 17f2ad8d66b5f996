//! What lies on a replica's disk is taken away, rots, or is edited by hand: the others serve on,
//! the damage is told aloud, and all but a lost key heals.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use byzantine_acceptance::comeback::{caught_up, ledgers_are_equal, votes_again};
use byzantine_acceptance::eventually::until;
use byzantine_acceptance::wallet::Wallet;
use byzantine_acceptance::{Call, Launch, Service, size};
use byzantine_sidecar::status::{Divergence, ObservationKind};

const VICTIM: u8 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lost_everything_but_its_keys_comes_back() {
    let (mut service, mut wallet) = paid().await;
    service.stop().await;
    for entry in fs::read_dir(replica(&service)).unwrap() {
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
    service.start().await;
    tells_of_its_lost_votes(&service).await;
    comes_back(&mut service, &mut wallet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_journal_is_told_and_its_replica_abstains_until_it_may_vote() {
    let (mut service, mut wallet) = paid().await;
    service.stop().await;
    rot(&replica(&service).join("ledger/journal"));
    service.start().await;
    tells_of_its_lost_votes(&service).await;
    comes_back(&mut service, &mut wallet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_ledger_is_set_aside_and_brought_over() {
    let (mut service, mut wallet) = paid().await;
    service.stop().await;
    let data = replica(&service).join("ledger");
    rot_everywhere(&data.join("ledger.redb"));
    service.start().await;
    tells_of_its_lost_votes(&service).await;
    assert!(service.console().contains("is damaged and was set aside"));
    assert!(data.join("damaged/ledger.redb").exists());
    comes_back(&mut service, &mut wallet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_edited_by_hand_is_named_and_rebuilt() {
    let (mut service, mut wallet) = paid().await;
    edit(&replica(&service).join("app"));
    let client = service.client();
    let balances = client
        .call(&Call::get("/balances", "after-the-edit"), 0)
        .await;
    assert_eq!(balances.status(), 200);
    let observed = async || service.observed(Some(VICTIM)).await;
    until("its answer is noticed", observed, |observed| {
        observed
            .iter()
            .any(|(_, kind, of)| (*kind, *of) == (ObservationKind::WrongAnswer, Some(VICTIM)))
    })
    .await;
    // What differed takes a question and its answer more than that something did.
    let divergences = async || service.status(0).await.unwrap_or_default().divergences;
    let of_victim = |all: &[Divergence]| all.iter().find(|it| it.replica == VICTIM).cloned();
    let named = until("the status names what differed", divergences, |all| {
        of_victim(all).is_some()
    })
    .await;
    let named = of_victim(&named).unwrap();
    assert_eq!(named.request, "GET /balances");
    assert_eq!(named.sequence, balances.leaf().0);
    assert!(named.differs.pointer.is_some(), "{named:?}");
    service.ready(VICTIM).await;
    wallet.pay("after", size::payments() / 4).await;
    wallet.check("after").await;
    caught_up(&mut service, VICTIM).await;
    let again = client.call(&Call::get("/balances", "rebuilt"), 0).await;
    assert_eq!(again.status(), 200);
    service.stop().await;
    let aside = fs::read_dir(replica(&service)).unwrap();
    let mut aside = aside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(aside.any(|name| name.starts_with("app.differs-")));
    ledgers_are_equal(&service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_is_reported_and_the_others_serve_on() {
    let (mut service, mut wallet) = paid().await;
    service.stop().await;
    fs::remove_dir_all(replica(&service)).unwrap();
    service.start_without(Some(VICTIM)).await;
    wallet.pay("without", size::payments() / 4).await;
    wallet.check("without").await;
    let console = async || service.console();
    until("the lost key is reported", console, |console| {
        console.contains("vote.key") && console.contains("cannot be made again")
    })
    .await;
    assert!(
        !replica(&service).join("keys").exists(),
        "a lost key must not be replaced by another"
    );
    service.stop().await;
}

async fn paid() -> (Service, Wallet) {
    let service = Launch::wallet().start().await;
    let mut wallet = Wallet::open(&service.client(), size::in_flight()).await;
    wallet.pay("before", size::payments() / 4).await;
    (service, wallet)
}

async fn comes_back(service: &mut Service, wallet: &mut Wallet) {
    wallet.pay("after", size::payments() / 4).await;
    wallet.check("after").await;
    caught_up(service, VICTIM).await;
    let status = async || service.status(VICTIM).await.map(|status| status.ready);
    until("it abstains no more", status, |ready| *ready == Some(true)).await;
    votes_again(service, VICTIM).await;
    service.stop().await;
    ledgers_are_equal(service);
}

async fn tells_of_its_lost_votes(service: &Service) {
    let status = async || service.status(VICTIM).await;
    until("the lost votes are told", status, |status| {
        status.as_ref().is_some_and(|status| {
            let kinds = status.observations.iter().map(|it| it.kind);
            kinds
                .into_iter()
                .any(|kind| kind == ObservationKind::DamagedJournal)
        })
    })
    .await;
}

fn replica(service: &Service) -> PathBuf {
    service.data().join(format!("replica-{VICTIM}"))
}

/// Flips bytes in the middle of what was synced.
fn rot(journal: &Path) {
    let segments = fs::read_dir(journal)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let segment = segments
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(segment)
        .unwrap();
    let mut bytes = [0; 64];
    file.read_exact_at(&mut bytes, 4096).unwrap();
    let flipped = bytes.map(|byte| !byte);
    file.write_all_at(&flipped, 4096).unwrap();
}

/// One byte of each page.
fn rot_everywhere(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page[100] ^= 0x55;
    }
    fs::write(path, bytes).unwrap();
}

/// What somebody with a shell would do.
fn edit(app: &Path) {
    let script = "\
import sqlite3, sys
database = sqlite3.connect(sys.argv[1] + '/wallet.db', timeout=30)
richest = 'SELECT min(owner) FROM accounts'
database.execute(f'UPDATE accounts SET balance = balance + 1000 WHERE owner = ({richest})')
database.commit()
";
    let done = Command::new("python3")
        .args(["-c", script])
        .arg(app)
        .status()
        .unwrap();
    assert!(done.success());
}
