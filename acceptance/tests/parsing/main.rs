//! Odd and hostile requests before three real backends: what the gateway accepts, all three read
//! alike; what it refuses, none sees. Nothing panics or hangs, and what was answered stays.

mod backend;
mod odd;
mod rude;

use std::collections::BTreeMap;

use byzantine_acceptance::comeback::ledgers_are_equal;
use byzantine_acceptance::transcript::{exchange_raw, take_apart};
use byzantine_acceptance::{Call, Service, hostile};

use backend::Backend;
use odd::Odd;

/// What a backend read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    method: String,
    target: String,
    fields: BTreeMap<String, Vec<String>>,
    body: String,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// The gateway's own, without a proof.
    Refused(u16),
    /// The backend's, which read the request.
    Read(Read),
    /// The backend's to a HEAD, which has no body to say it in, or a refusal of its own.
    Silent(u16),
}

/// The answers of one connection.
type Outcome = Vec<Answer>;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_read_alike_by_three_backends() {
    let corpus = corpus();
    assert!(corpus.len() >= 150, "{} requests", corpus.len());
    let mut outcomes: Vec<(Backend, Vec<Outcome>)> = Vec::new();
    for backend in Backend::ALL {
        let Some(launch) = backend.launch() else {
            continue;
        };
        let mut service = launch.start().await;
        outcomes.push((backend, replay(&service, &corpus)));
        rude::clients_do_no_harm(&service).await;
        still_answers(&service).await;
        service.stop().await;
        ledgers_are_equal(&service);
        let logs = service.logs() + &service.console();
        assert!(!logs.contains("panicked"), "{logs}");
    }
    let (_, first) = &outcomes[0];
    let accepted = first.iter().filter(|answers| answers.iter().any(was_read));
    let accepted = accepted.count();
    println!("{} requests, {accepted} accepted", corpus.len());
    assert!(accepted >= 50, "only {accepted} were accepted");
    for (backend, others) in &outcomes[1..] {
        for ((request, ours), theirs) in corpus.iter().zip(first).zip(others) {
            let alike = ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(one, other)| are_alike(one, other));
            let what = &request.what;
            assert!(
                alike,
                "{what:?}: {ours:?} by node, {theirs:?} by {backend:?}"
            );
        }
    }
}

fn was_read(answer: &Answer) -> bool {
    matches!(answer, Answer::Read(_))
}

/// A backend may refuse what another takes; none may read it otherwise.
fn are_alike(one: &Answer, other: &Answer) -> bool {
    match (one, other) {
        (Answer::Silent(_), Answer::Silent(_) | Answer::Read(_))
        | (Answer::Read(_), Answer::Silent(_)) => true,
        (one, other) => one == other,
    }
}

fn corpus() -> Vec<Odd> {
    let hostile = hostile::all().into_iter();
    let hostile = hostile.map(|request| Odd {
        what: request.what,
        bytes: request.bytes,
    });
    odd::all().into_iter().chain(hostile).collect()
}

fn replay(service: &Service, corpus: &[Odd]) -> Vec<Outcome> {
    let numbered = corpus.iter().enumerate();
    let outcomes = numbered.map(|(number, request)| {
        let replica = u8::try_from(number % 4).expect("a remainder by four");
        let response = exchange_raw(service.gateway_address(replica), &request.bytes);
        answers(&response, request)
    });
    outcomes.collect()
}

/// Takes the answers of one connection apart.
fn answers(mut bytes: &[u8], request: &Odd) -> Outcome {
    let (mut answers, what) = (Vec::new(), &request.what);
    // Whoever began HTTP/2 gets frames, the first of which is shorter than 65 536 bytes.
    while !bytes.is_empty() && !bytes.starts_with(&[0]) {
        let text = String::from_utf8_lossy(bytes);
        let saved = take_apart(bytes).unwrap_or_else(|why| panic!("{what}: {why:?} in {text}"));
        let received = &saved.received;
        let length = received.header("content-length").unwrap_or("0");
        let length: usize = length.parse().expect("digits");
        let has_body = !request.bytes.starts_with(b"HEAD ");
        let end = saved.body.start + if has_body { length } else { 0 };
        let body = bytes.get(saved.body.start..end);
        let body = body.unwrap_or_else(|| panic!("{what}: cut off: {text}"));
        let echoed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        answers.push(match (received.header("byzantine-proof"), echoed) {
            (None, _) => Answer::Refused(received.status),
            (Some(_), Some(echoed)) if received.status == 200 => Answer::Read(read(&echoed)),
            (Some(_), _) => Answer::Silent(received.status),
        });
        bytes = &bytes[end..];
    }
    answers
}

fn read(echoed: &serde_json::Value) -> Read {
    let text = |member: &str| echoed[member].as_str().unwrap_or_default().to_owned();
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for field in echoed["fields"].as_array().into_iter().flatten() {
        let (name, value) = (field[0].as_str(), field[1].as_str());
        let name = name.unwrap_or_default().to_ascii_lowercase();
        if is_compared(&name) {
            let values = value.unwrap_or_default().split(',');
            let values = values.map(|value| value.trim().to_owned());
            fields.entry(name).or_default().extend(values);
        }
    }
    Read {
        method: text("method"),
        target: text("target"),
        fields,
        body: text("body"),
    }
}

/// Stamps differ between services. A WSGI server gets no content type where there is none, and no
/// name with `_`, which it could not tell from one with `-`.
fn is_compared(name: &str) -> bool {
    let random = name.starts_with("byzantine-") || name == "idempotency-key";
    !(random || name == "content-length" || name.contains('_'))
}

async fn still_answers(service: &Service) {
    for gateway in 0..4 {
        let call = Call::get("/after", format!("after-all-that-{gateway}"));
        let answered = service.client().call(&call, gateway).await;
        assert_eq!((answered.gateway, answered.status()), (gateway, 200));
    }
}
