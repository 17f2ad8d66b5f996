//! An app whose answers differ between replicas: the client gets a certified 502 that names what
//! differed, the service goes on, and its operator is told which request it was.

use byzantine_acceptance::eventually::until;
use byzantine_acceptance::programs::{byz, repository};
use byzantine_acceptance::{Call, Launch};

fn dice() -> String {
    repository()
        .join("acceptance/apps/dice.py")
        .display()
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_everywhere_is_a_certified_502_and_the_service_goes_on() {
    let app = dice();
    let mut service = Launch::command(&["python3", &app]).start().await;
    let client = service.client();
    let same = client.call(&Call::get("/", "the-same-everywhere"), 1).await;
    assert_eq!(same.status(), 200);
    let verdict = client.call(&Call::get("/ticket", "a-ticket"), 1).await;
    assert_eq!(verdict.status(), 502);
    let problem = verdict.json();
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("the header field x-ticket"), "{problem}");
    let after = client.call(&Call::get("/", "after-it"), 2).await;
    assert_eq!(after.status(), 200);
    let data = service.data().display().to_string();
    let told = async || byz(["status", "--data", &data]);
    let told = until("the status names request and header", told, |told| {
        told.output.contains("GET /ticket") && told.output.contains("x-ticket")
    })
    .await;
    assert_eq!(told.code, Some(0), "{told:?}");
    // Nobody is to blame when no answer has a quorum.
    for (_, kind, replica) in service.observed(None).await {
        assert_eq!(replica, None, "{kind:?}");
    }
    service.stop().await;
}

#[test]
fn the_doctor_names_random_ids_the_clock_and_the_order_of_headers() {
    let app = dice();
    let told = byz([
        "doctor",
        "--request",
        "GET /everything",
        "--",
        "python3",
        &app,
    ]);
    assert_eq!(told.code, Some(1), "{told:?}");
    for named in ["GET /everything", "/id", "/at", "order"] {
        assert!(told.output.contains(named), "{named} in {told:?}");
    }
}

#[test]
fn the_doctor_finds_nothing_where_nothing_differs() {
    let app = dice();
    let told = byz(["doctor", "--request", "GET /", "--", "python3", &app]);
    assert_eq!(told.code, Some(0), "{told:?}");
}
