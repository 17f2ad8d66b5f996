//! What well-behaved clients get.

use bytes::Bytes;
use byzantine_proof::{
    Client, Conditions, Freshness, IdempotencyKey, OwnRequest, ReceivedResponse, verify,
};
use byzantine_sidecar::config::ProofTransport;
use byzantine_sidecar::submission::{NotAccepted, SubmitError};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::service::{Behaviour, Service, Setup, raw, start};

type Response = http::Response<Bytes>;

async fn send(service: &Service, request: http::request::Builder, body: &'static str) -> Response {
    let stream = TcpStream::connect(service.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = request
        .header("host", "a")
        .body(Full::new(Bytes::from_static(body.as_bytes())));
    collected(sender.send_request(request.unwrap()).await.unwrap()).await
}

async fn collected(response: http::Response<hyper::body::Incoming>) -> Response {
    let (head, body) = response.into_parts();
    http::Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

fn verified(service: &Service, own: &OwnRequest<'_>, response: &Response) -> Freshness {
    let headers: Vec<(&str, &[u8])> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let received = ReceivedResponse {
        status: response.status().as_u16(),
        headers: &headers,
        body: response.body(),
    };
    let conditions = Conditions {
        request: Some(*own),
        ..Conditions::default()
    };
    let verified = verify(&service.policy, &received, &conditions).unwrap();
    assert_eq!(verified.body, response.body()[..]);
    verified.freshness
}

fn own<'a>(
    method: &'a str,
    url: &'a str,
    key: Option<&'a IdempotencyKey>,
    body: &'a str,
) -> OwnRequest<'a> {
    OwnRequest {
        method,
        url,
        headers: &[],
        body: body.as_bytes(),
        key,
        client: Client::Anonymous,
    }
}

#[tokio::test]
async fn an_answer_verifies_as_it_comes_off_the_wire() {
    let service = start(Setup::default()).await;
    let key = IdempotencyKey::new("k-1").unwrap();
    let request = Request::post("/transfers?x=1").header("idempotency-key", "k-1");
    let response = send(&service, request, "hello").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["idempotency-key"], "\"k-1\"");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(
        response.headers()["unencoded-digest"]
            .to_str()
            .unwrap()
            .starts_with("sha-256=:")
    );
    assert!(response.headers().get("repr-digest").is_none());
    let asked = own("POST", "/transfers?x=1", Some(&key), "hello");
    assert_eq!(verified(&service, &asked, &response), Freshness::OwnKey);
}

#[tokio::test]
async fn a_missing_key_is_made_and_returned() {
    let service = start(Setup::default()).await;
    let response = send(&service, Request::get("/a"), "").await;
    let key = response.headers()["idempotency-key"].to_str().unwrap();
    assert_eq!(key.len(), 34);
    assert_eq!(
        verified(&service, &own("GET", "/a", None, ""), &response),
        Freshness::GatewayKey
    );
}

#[tokio::test]
async fn bodiless_answers_verify_and_claim_no_length() {
    let service = start(Setup::default()).await;
    for (method, url) in [("HEAD", "/a"), ("GET", "/none")] {
        let builder = Request::builder().method(method).uri(url);
        let response = send(&service, builder, "").await;
        assert!(response.body().is_empty());
        verified(&service, &own(method, url, None, ""), &response);
        let wire = format!("{method} {url} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let wire = raw(service.address, wire.as_bytes()).await;
        assert!(
            !wire.to_lowercase().contains("content-length: 0"),
            "{method}: {wire}"
        );
    }
}

#[tokio::test]
async fn h2c_with_prior_knowledge_is_served() {
    let service = start(Setup::default()).await;
    let stream = TcpStream::connect(service.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let url = format!("http://{}/a", service.address);
    for _ in 0..3 {
        let request = Request::get(&url).body(Full::<Bytes>::default()).unwrap();
        let response = collected(sender.send_request(request).await.unwrap()).await;
        assert_eq!(
            (response.status().as_u16(), &response.body()[..]),
            (200, &b"GET /a "[..])
        );
        verified(&service, &own("GET", "/a", None, ""), &response);
    }
    let request = Request::builder()
        .method("HEAD")
        .uri(format!("{url}/.well-known/x"));
    let request = request.body(Full::<Bytes>::default()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn long_proofs_travel_behind_a_link() {
    let service = start(Setup::default()).await;
    let long = send(&service, Request::get("/long"), "").await;
    assert!(long.headers().get("byzantine-proof").is_none());
    let link = long.headers()["link"].to_str().unwrap();
    assert!(link.starts_with("</.well-known/byzantine/proof/"), "{link}");
    let setup = Setup {
        transport: ProofTransport::Link,
        ..Setup::default()
    };
    let short = send(&start(setup).await, Request::get("/a"), "").await;
    assert!(short.headers().contains_key("link"));
    let setup = Setup {
        transport: ProofTransport::Inline,
        ..Setup::default()
    };
    let inline = send(&start(setup).await, Request::get("/long"), "").await;
    assert!(inline.headers().contains_key("byzantine-proof"));
}

#[tokio::test]
async fn sha_1_comes_on_request_beside_sha_256() {
    let service = start(Setup::default()).await;
    let request = Request::get("/a").header("want-repr-digest", "sha=5");
    let response = send(&service, request, "").await;
    let digests = response.headers()["repr-digest"].to_str().unwrap();
    assert!(
        digests.starts_with("sha-256=:") && digests.contains(", sha=:"),
        "{digests}"
    );
}

#[tokio::test]
async fn refusals_say_with_which_key_to_try_again() {
    for (error, status, word) in [
        (
            SubmitError::NotAccepted(NotAccepted::QueueFull),
            503,
            "not-accepted",
        ),
        (SubmitError::Undecided, 504, "undecided"),
    ] {
        let setup = Setup {
            behaviour: Behaviour::Refuse(error),
            ..Setup::default()
        };
        let response = send(&start(setup).await, Request::post("/a"), "x").await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["idempotency-key"].len(), 34);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let body = String::from_utf8_lossy(response.body()).into_owned();
        assert!(
            body.contains(word) && body.contains("same Idempotency-Key"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn well_known_pages_are_served() {
    let service = start(Setup::default()).await;
    let prefix = "/.well-known/byzantine";
    for (path, status, word) in [
        ("/", 200, "wallet.bank.cluster.local"),
        ("/policy", 200, "quorum q"),
        ("/checkpoint", 404, "No checkpoint"),
        ("/tile/0/000.p/1", 404, "not grown"),
        ("/tile/x", 404, "No tile"),
        ("/proof/00", 404, "64 lower-case"),
        (
            &format!("/proof/{}", "0".repeat(64)),
            404,
            "No answer is remembered",
        ),
        ("/nothing", 404, "No page"),
    ] {
        let response = send(&service, Request::get(format!("{prefix}{path}")), "").await;
        let body = String::from_utf8_lossy(response.body()).into_owned();
        assert_eq!(response.status(), status, "{path}");
        assert!(body.contains(word), "{path}: {body}");
        let head = Request::builder()
            .method("HEAD")
            .uri(format!("{prefix}{path}"));
        let head = send(&service, head, "").await;
        assert_eq!(
            (head.status().as_u16(), head.body().len()),
            (status, 0),
            "{path}"
        );
    }
    let post = send(&service, Request::post(format!("{prefix}/policy")), "").await;
    assert_eq!(
        (
            post.status().as_u16(),
            &post.headers()["allow"] == "GET, HEAD"
        ),
        (405, true)
    );
    assert!(service.targets.lock().unwrap().is_empty());
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_answers() {
    let setup = Setup {
        origins: vec!["https://a.example".to_owned()],
        ..Setup::default()
    };
    let service = start(setup).await;
    let request = Request::get("/a").header("origin", "https://a.example");
    let response = send(&service, request, "").await;
    assert_eq!(
        response.headers()["access-control-allow-origin"],
        "https://a.example"
    );
    verified(&service, &own("GET", "/a", None, ""), &response);
    let preflight = Request::builder()
        .method("OPTIONS")
        .uri("/a")
        .header("origin", "https://a.example")
        .header("access-control-request-method", "PUT");
    let response = send(&service, preflight, "").await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-methods"], "PUT");
    assert_eq!(service.targets.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_graceful_stop_answers_what_was_accepted() {
    let setup = Setup {
        behaviour: Behaviour::Hold,
        ..Setup::default()
    };
    let mut service = start(setup).await;
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    stream
        .write_all(b"GET /held HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    while service.targets.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    service.stop.take().unwrap().send(()).unwrap();
    service.release.send(true).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
    service.served.await.unwrap();
    assert!(TcpStream::connect(service.address).await.is_err());
}

#[tokio::test]
async fn unordered_paths_stream_from_the_app_without_proof() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let setup = Setup {
        app: listener.local_addr().ok(),
        ..Setup::default()
    };
    let service = start(setup).await;
    let app = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let length = stream.read(&mut head).await.unwrap();
        let answer = "HTTP/1.1 200 OK\r\nbyzantine-proof: x\r\ntransfer-encoding: chunked\r\n\r\n";
        stream
            .write_all(format!("{answer}5\r\nfirst\r\n").as_bytes())
            .await
            .unwrap();
        (
            stream,
            String::from_utf8_lossy(&head[..length]).to_lowercase(),
        )
    });
    let stream = TcpStream::connect(service.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/events?a")
        .header("host", "a")
        .header("byzantine-ordinal", "1");
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let mut response = sender.send_request(request).await.unwrap();
    assert!(response.headers().get("byzantine-proof").is_none());
    // The first part arrives while the app still holds the connection open.
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(&frame.into_data().unwrap()[..], b"first");
    let (_stream, head) = app.await.unwrap();
    assert!(
        head.starts_with("get /events?a ") && !head.contains("byzantine-"),
        "{head}"
    );
    assert!(service.targets.lock().unwrap().is_empty());
}
