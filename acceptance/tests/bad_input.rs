//! Malformed and hostile HTTP, as raw bytes: each gets its problem and nothing more, and the
//! service goes on.

use byzantine_acceptance::hostile::{Hostile, all};
use byzantine_acceptance::transcript::{exchange_raw, take_apart};
use byzantine_acceptance::{Call, Launch, Service};

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_get_their_problems_and_the_service_goes_on() {
    let mut service = Launch::wallet().start().await;
    let requests = all();
    assert!(requests.len() >= 50, "{} requests", requests.len());
    for (number, request) in requests.iter().enumerate() {
        let replica = u8::try_from(number % 4).expect("a remainder by four");
        refused(&service, replica, request);
    }
    for gateway in 0..4 {
        let call = Call::get("/total", format!("after-all-that-{gateway}"));
        let answered = service.client().call(&call, gateway).await;
        assert_eq!((answered.gateway, answered.status()), (gateway, 200));
    }
    service.stop().await;
    let logs = service.logs() + &service.console();
    assert!(!logs.contains("panicked"), "{logs}");
}

fn refused(service: &Service, replica: u8, request: &Hostile) {
    let response = exchange_raw(service.gateway_address(replica), &request.bytes);
    let text = String::from_utf8_lossy(&response).into_owned();
    let saved = take_apart(&response);
    let received = saved.map(|saved| saved.received);
    let received = received.unwrap_or_else(|why| panic!("{}: no {why:?} in {text}", request.what));
    assert_eq!(received.status, request.status, "{}: {text}", request.what);
    let media_type = received.header("content-type");
    assert_eq!(
        media_type,
        Some("application/problem+json"),
        "{}: {text}",
        request.what
    );
    let problem: serde_json::Value = serde_json::from_slice(&received.body)
        .unwrap_or_else(|error| panic!("{}: {error} in {text}", request.what));
    for member in ["type", "title", "detail", "nextStep"] {
        let said = problem[member]
            .as_str()
            .is_some_and(|text| !text.is_empty());
        assert!(said, "{}: {member} is missing in {problem}", request.what);
    }
    assert_eq!(problem["status"], request.status, "{}", request.what);
}
