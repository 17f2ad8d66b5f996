//! Processes are killed while payments go on, and started again: nothing acknowledged is lost, and
//! nothing runs twice.

use byzantine_acceptance::comeback::{caught_up, ledgers_are_equal, votes_again};
use byzantine_acceptance::service::Part;
use byzantine_acceptance::wallet::Wallet;
use byzantine_acceptance::{Call, Launch, size};

#[tokio::test(flavor = "multi_thread")]
async fn the_primarys_sidecar_is_killed_under_load() {
    killed_under_load(0, Part::Sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backups_sidecar_is_killed_under_load() {
    killed_under_load(3, Part::Sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_killed_under_load() {
    killed_under_load(1, Part::App).await;
}

async fn killed_under_load(victim: u8, part: Part) {
    let mut service = Launch::wallet().start().await;
    let mut wallet = Wallet::open(&service.client(), size::in_flight()).await;
    let mut payments = wallet.start("killed", size::payments());
    payments.reached(size::payments() / 4).await;
    service.kill(victim, part);
    payments.reached(size::payments() / 2).await;
    service.kill_when_back(victim, part).await;
    wallet.finish(payments).await;
    wallet.check("killed").await;
    wallet.repeat(20).await;
    caught_up(&mut service, victim).await;
    votes_again(&service, victim).await;
    service.stop().await;
    ledgers_are_equal(&service);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_eight_processes_are_killed_at_once_and_started_again() {
    let mut service = Launch::wallet().start().await;
    let client = service.client();
    let mut wallet = Wallet::open(&client, size::in_flight()).await;
    wallet.pay("before", size::payments()).await;
    let mut payments = wallet.start("during", size::payments());
    payments.reached(size::payments() / 3).await;
    service.kill_everything();
    service.start().await;
    // The clients have not stopped asking, each under its own key.
    wallet.finish(payments).await;
    wallet.check("after").await;
    wallet.repeat(50).await;
    service.stop().await;
    ledgers_are_equal(&service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_gateway_dies_gets_the_first_answer_from_another() {
    let mut service = Launch::wallet().start().await;
    let client = service.client();
    let open = Call::post(
        "/accounts",
        &serde_json::json!({ "owner": "ada", "opening": 7 }),
        "the-only-key",
    );
    let first = client.call(&open, 2).await;
    assert_eq!(first.gateway, 2);
    service.kill(2, Part::Sidecar);
    let again = client.call(&open, 2).await;
    assert_eq!(again.leaf(), first.leaf());
    assert_eq!(again.verified.body, first.verified.body);
    let other = Call {
        body: "{}".into(),
        ..open
    };
    let reused = client.call(&other, 1).await;
    assert_eq!(
        reused.status(),
        422,
        "another request under the same key: {reused:?}"
    );
    service.ready(2).await;
    service.stop().await;
}
