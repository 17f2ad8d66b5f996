//! One replica of four is faulty, as the first primary or as a backup, while payments go through
//! all gateways: every payment is made exactly once, and nobody but the faulty one is blamed.
//!
//! The full measure: `BYZANTINE_PAYMENTS=10000 cargo test -p byzantine-acceptance --test faults`.

use std::time::Instant;

use byzantine_acceptance::eventually::until;
use byzantine_acceptance::metrics::Metrics;
use byzantine_acceptance::programs::byz;
use byzantine_acceptance::wallet::Wallet;
use byzantine_acceptance::{Launch, Service, size};
use byzantine_adversary::Fault;
use byzantine_sidecar::status::ObservationKind;

const PRIMARY: u8 = 0;
const BACKUP: u8 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_crashes() {
    survive(Fault::Crash, PRIMARY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_crashes() {
    survive(Fault::Crash, BACKUP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_mute() {
    survive(Fault::Mute, PRIMARY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_mute() {
    survive(Fault::Mute, BACKUP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_slow() {
    survive(Fault::Slow, PRIMARY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_slow() {
    survive(Fault::Slow, BACKUP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_equivocates() {
    survive(Fault::Equivocate, PRIMARY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_equivocates() {
    survive(Fault::Equivocate, BACKUP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_whose_app_answers_wrongly() {
    survive(Fault::WrongAnswer, PRIMARY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_app_answers_wrongly() {
    survive(Fault::WrongAnswer, BACKUP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_lies_to_clients() {
    survive(Fault::LyingGateway, PRIMARY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_lies_to_clients() {
    survive(Fault::LyingGateway, BACKUP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_corrupts_votes() {
    survive(Fault::CorruptVotes, PRIMARY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_corrupts_votes() {
    survive(Fault::CorruptVotes, BACKUP).await;
}

async fn survive(fault: Fault, liar: u8) {
    let mut service = Launch::wallet().with_fault(liar, fault).start().await;
    let client = service.client();
    let mut wallet = Wallet::open(&client, size::in_flight()).await;
    let started = Instant::now();
    wallet.pay("all", size::payments()).await;
    let (count, seconds) = (size::payments(), started.elapsed().as_secs_f64());
    let refusals = client.refusals();
    println!("{fault} at {liar}: {count} payments in {seconds:.1} s; not believed: {refusals:?}");
    wallet.check("all").await;
    wallet.repeat(20).await;
    let liars: Vec<usize> = client.liars();
    let expected = if fault == Fault::LyingGateway {
        vec![usize::from(liar)]
    } else {
        vec![]
    };
    assert_eq!(
        liars,
        expected,
        "gateways whose answers do not verify: {:?}",
        client.refusals()
    );
    noticed(&service, &mut wallet, fault, liar).await;
    nobody_else_is_blamed(&service, liar).await;
    service.stop().await;
    ledgers_are_equal(&service, liar);
}

/// What the correct replicas are to say of this fault, in the status and in the metrics.
async fn noticed(service: &Service, wallet: &mut Wallet, fault: Fault, liar: u8) {
    let Some(kind) = evidence_of(fault) else {
        return;
    };
    let mut looks = 0_u32;
    let look = async || {
        // Lateness shows only while there is something to be late with.
        if fault == Fault::Slow {
            looks += 1;
            wallet.pay(&format!("more {looks}"), 10).await;
        }
        service.observed(Some(liar)).await
    };
    let found = until("the fault is noticed", look, |observed| {
        observed
            .iter()
            .any(|(_, seen, replica)| (*seen, *replica) == (kind, Some(liar)))
    })
    .await;
    for (observer, ..) in found
        .iter()
        .filter(|seen| (seen.1, seen.2) == (kind, Some(liar)))
    {
        let metrics = service
            .metrics(*observer)
            .await
            .expect("a correct replica serves metrics");
        assert!(
            counted(&metrics, fault, liar) > 0.0,
            "replica {observer}, {fault}: {metrics:?}"
        );
    }
}

/// What a correct replica can prove or measure. A crash and silence are facts, not blame; what a
/// gateway tells its clients, the other replicas never see.
fn evidence_of(fault: Fault) -> Option<ObservationKind> {
    match fault {
        Fault::Equivocate => Some(ObservationKind::Equivocation),
        Fault::WrongAnswer => Some(ObservationKind::WrongAnswer),
        Fault::CorruptVotes => Some(ObservationKind::BadSignature),
        Fault::Mute => Some(ObservationKind::Silent),
        Fault::Slow => Some(ObservationKind::Slow),
        Fault::Crash | Fault::LyingGateway | Fault::FalseSnapshot => None,
    }
}

fn counted(metrics: &Metrics, fault: Fault, liar: u8) -> f64 {
    match fault {
        Fault::Equivocate => metrics.of_replica("byzantine_equivocations_total", liar),
        Fault::WrongAnswer => metrics.of_replica("byzantine_divergences_total", liar),
        Fault::CorruptVotes => metrics.of_kind("byzantine_rejections_total", "signature"),
        // Silence and lateness have no counter: links stand, and nothing or little comes.
        _ => 1.0,
    }
}

/// No correct replica says anything bad of another one, or of itself.
async fn nobody_else_is_blamed(service: &Service, liar: u8) {
    let observed = service.observed(Some(liar)).await;
    let accusations = observed.iter().filter(|(_, kind, replica)| {
        *kind != ObservationKind::ViewChange && replica.is_some_and(|replica| replica != liar)
    });
    let accusations: Vec<_> = accusations.collect();
    assert!(
        accusations.is_empty(),
        "correct replicas are accused: {accusations:?}"
    );
    for replica in service.replicas().filter(|replica| *replica != liar) {
        let metrics = service
            .metrics(replica)
            .await
            .expect("a correct replica serves metrics");
        for other in service.replicas().filter(|other| *other != liar) {
            for name in [
                "byzantine_equivocations_total",
                "byzantine_divergences_total",
            ] {
                let count = metrics.of_replica(name, other);
                assert!(
                    count.abs() < f64::EPSILON,
                    "{name} of {other} is {count} at {replica}"
                );
            }
        }
    }
}

fn ledgers_are_equal(service: &Service, liar: u8) {
    let data = service.data().display().to_string();
    let audit = byz(["audit", "--data", &data]);
    assert_eq!(audit.code, Some(0), "with replica {liar} faulty: {audit:?}");
}
