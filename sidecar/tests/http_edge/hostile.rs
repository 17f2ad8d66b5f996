//! Requests that smuggle, confuse or exhaust: each is refused or harmless, and the server lives.

use crate::service::{Service, Setup, raw, start};

/// What must become of a connection's bytes.
#[derive(Clone, Copy)]
enum Fate {
    /// The first response has this status, the connection closes, and nothing is ordered.
    Refused(u16),
    /// Exactly these requests are ordered.
    Ordered(&'static [&'static str]),
    /// Closed without a response.
    Closed,
}

use Fate::{Closed, Ordered, Refused};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!("POST /p HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{body}")
}

fn get(fields: &str) -> String {
    format!("GET /g HTTP/1.1\r\nhost: a\r\n{fields}connection: close\r\n\r\n")
}

fn line(line: &str) -> String {
    format!("{line}\r\nhost: a\r\n\r\n")
}

fn lengths() -> Vec<(String, Fate)> {
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    vec![
        (
            post("content-length: 5\r\ntransfer-encoding: chunked", &chunked),
            Refused(400),
        ),
        (
            post("transfer-encoding: chunked\r\ncontent-length: 5", &chunked),
            Refused(400),
        ),
        (
            post("content-length: 1\r\ncontent-length: 2", "ab"),
            Refused(400),
        ),
        (
            post("content-length: 1\r\ncontent-length: 1", "a"),
            Refused(400),
        ),
        (post("content-length: 1, 1", "a"), Refused(400)),
        (post("content-length: +1", "a"), Refused(400)),
        (post("content-length: -1", "a"), Refused(400)),
        (post("content-length: 0x1", "a"), Refused(400)),
        (post("content-length: 1 1", "a"), Refused(400)),
        (post("content-length:", "a"), Refused(400)),
        (post("content-length: 1e0", "a"), Refused(400)),
        (
            post("content-length: 18446744073709551616", "a"),
            Refused(400),
        ),
        (
            post("content-length: 5000", &"a".repeat(5000)),
            Refused(413),
        ),
        (
            post("content-length: 18446744073709551614", "a"),
            Refused(400),
        ),
    ]
}

fn codings() -> Vec<(String, Fate)> {
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let te = "transfer-encoding";
    vec![
        (post(&format!("{te}: xchunked"), &chunked), Refused(400)),
        (
            post(&format!("{te}: chunked, identity"), &chunked),
            Refused(400),
        ),
        (post(&format!("{te}: identity"), SMUGGLED), Refused(400)),
        (
            post(&format!("{te}: gzip, chunked"), &chunked),
            Refused(400),
        ),
        (
            post(&format!("{te}: chunked\r\n{te}: chunked"), &chunked),
            Refused(400),
        ),
        (
            post(&format!("{te}: chunked\r\n{te}: x"), &chunked),
            Refused(400),
        ),
        (post(&format!("{te} : chunked"), &chunked), Refused(400)),
        (post(&format!("{te}:\u{b}chunked"), &chunked), Refused(400)),
        (post(&format!("{te}: \"chunked\""), &chunked), Refused(400)),
        (post(&format!(" {te}: chunked"), &chunked), Refused(400)),
        (
            post(&format!("x: y\r\n {te}: chunked"), &chunked),
            Refused(400),
        ),
        (
            post(&format!("x: y\n{te}: chunked"), &chunked),
            Refused(400),
        ),
        (
            post(&format!("x: y\r{te}: chunked"), &chunked),
            Refused(400),
        ),
        (
            "POST /p HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            Refused(400),
        ),
        (
            post("transfer_encoding: chunked\r\nconnection: close", SMUGGLED),
            Ordered(&["POST /p"]),
        ),
    ]
}

fn chunks() -> Vec<(String, Fate)> {
    let chunked = |body: &str| post("transfer-encoding: chunked\r\nconnection: close", body);
    vec![
        (chunked("3\r\nabc\r\n0\r\n\r\n"), Ordered(&["POST /p"])),
        (
            chunked("3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n"),
            Ordered(&["POST /p"]),
        ),
        (chunked("0x3\r\nabc\r\n0\r\n\r\n"), Refused(400)),
        (chunked("+3\r\nabc\r\n0\r\n\r\n"), Refused(400)),
        (chunked("-3\r\nabc\r\n0\r\n\r\n"), Refused(400)),
        (chunked(" 3\r\nabc\r\n0\r\n\r\n"), Refused(400)),
        (chunked("3 \r\nabc\r\n0\r\n\r\n"), Refused(400)),
        (chunked("3\nabc\n0\n\n"), Refused(400)),
        (chunked("3\r\nabcd\r\n0\r\n\r\n"), Refused(400)),
        (chunked("3\r\nabc0\r\n\r\n"), Refused(400)),
        (chunked("3;\n\r\nabc\r\n0\r\n\r\n"), Refused(400)),
        (chunked("2;\nxx\r\nab\r\n0\r\n\r\n"), Refused(400)),
        (
            chunked(&format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(500))),
            Refused(400),
        ),
        (
            chunked("10000000000000003\r\nabc\r\n0\r\n\r\n"),
            Refused(400),
        ),
        (
            chunked("ffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
            Refused(400),
        ),
        (
            chunked(&format!("0\r\n{}\r\n", "x: y\r\n".repeat(2000))),
            Refused(400),
        ),
        (chunked("0\r\nx : y\r\n\r\n"), Refused(400)),
        (chunked("3\r\nab"), Refused(400)),
        (
            chunked(&format!("1388\r\n{}\r\n0\r\n\r\n", "a".repeat(5000))),
            Refused(413),
        ),
    ]
}

fn heads() -> Vec<(String, Fate)> {
    vec![
        ("GET /g HTTP/1.1\nhost: a\n\n".into(), Refused(400)),
        ("GET /g HTTP/1.1\r\nhost: a\r\n\n".into(), Refused(400)),
        (
            "GET /g HTTP/1.1\r\nhost: a\rx: y\r\n\r\n".into(),
            Refused(400),
        ),
        ("GET /g HTTP/1.1\r\n\r\n".into(), Refused(400)),
        (
            "GET /g HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".into(),
            Refused(400),
        ),
        ("GET /g HTTP/1.1\r\nhost: a b\r\n\r\n".into(), Refused(400)),
        (
            "GET /g HTTP/1.1\r\nhost: a/b@c\r\n\r\n".into(),
            Refused(400),
        ),
        ("GET /g HTTP/1.1\r\n host: a\r\n\r\n".into(), Refused(400)),
        (get("x y: z\r\n"), Refused(400)),
        (get("x : z\r\n"), Refused(400)),
        (get(": z\r\n"), Refused(400)),
        (get("xyz\r\n"), Refused(400)),
        (get("x: a\0b\r\n"), Refused(400)),
        (get("x: a\u{7f}\r\n"), Refused(400)),
        (get("x: ä\r\n"), Refused(400)),
        (get("ä: x\r\n"), Refused(400)),
        (get("x: y\r\n  folded: z\r\n"), Refused(400)),
        (get("idempotency-key: a b\r\n"), Refused(400)),
        (
            get("idempotency-key: a\r\nidempotency-key: a\r\n"),
            Refused(400),
        ),
        (get("content-digest: sha-256=:AAAA:\r\n"), Refused(400)),
        (get("upgrade: websocket\r\n"), Refused(501)),
        (get(&format!("x: {}\r\n", "y".repeat(20_000))), Refused(431)),
        (get(&"x: y\r\n".repeat(200)), Refused(431)),
        (
            get("connection: host, content-length\r\n"),
            Ordered(&["GET /g"]),
        ),
        (get("expect: 200-ok\r\n"), Ordered(&["GET /g"])),
        (
            get("upgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"),
            Ordered(&["GET /g"]),
        ),
        (
            "\r\nGET /g HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".into(),
            Ordered(&["GET /g"]),
        ),
        ("GET /g HTTP/1.1\r\nhost: a\r\n".into(), Closed),
        (String::new(), Closed),
    ]
}

fn lines() -> Vec<(String, Fate)> {
    vec![
        (line("GET /g"), Refused(400)),
        (line("GET /g HTTP/0.9"), Refused(400)),
        (line("GET /g HTTP/2.0"), Refused(400)),
        (line("GET /g HTTP/1.1 "), Refused(400)),
        (line("GET  /g HTTP/1.1"), Refused(400)),
        (line("GET\t/g\tHTTP/1.1"), Refused(400)),
        (line(" GET /g HTTP/1.1"), Refused(400)),
        (line("GE(T /g HTTP/1.1"), Refused(400)),
        (line("GET /g\u{e4} HTTP/1.1"), Refused(400)),
        (line("GET /g#f HTTP/1.1"), Refused(400)),
        (line("GET g HTTP/1.1"), Refused(400)),
        (line("GET /a/../g HTTP/1.1"), Refused(400)),
        (line("GET /a/%2e%2E/g HTTP/1.1"), Refused(400)),
        (line("GET /./g HTTP/1.1"), Refused(400)),
        (line("OPTIONS * HTTP/1.1"), Refused(400)),
        (line("GET ftp://a/g HTTP/1.1"), Refused(400)),
        (line("CONNECT a:80 HTTP/1.1"), Refused(501)),
        (line("TRACE /g HTTP/1.1"), Refused(501)),
        (line("BYZANTINE-REFUSED /host HTTP/1.1"), Refused(400)),
        (
            line(&format!("GET /{} HTTP/1.1", "g".repeat(9000))),
            Refused(400),
        ),
        (
            line(&format!("{} /g HTTP/1.1", "G".repeat(40))),
            Refused(400),
        ),
        (
            line("GET http://evil.example/g?x HTTP/1.1"),
            Ordered(&["GET /g?x"]),
        ),
        ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".into(), Refused(400)),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".into(), Closed),
        (
            format!("{}{SMUGGLED}", line("GET /g HTTP/1.1")),
            Ordered(&["GET /g", "GET /smuggled"]),
        ),
    ]
}

async fn check(service: &Service, bytes: &str, fate: Fate) {
    service.targets.lock().unwrap().clear();
    let response = raw(service.address, bytes.as_bytes()).await;
    let shown: String = bytes.chars().take(120).collect();
    let ordered = service.targets.lock().unwrap().clone();
    match fate {
        Refused(status) => {
            let expected = format!("HTTP/1.1 {status} ");
            assert!(response.starts_with(&expected), "{shown:?}: {response}");
            assert!(
                response.contains("https://byzantine.dev/problems/"),
                "{shown:?}: {response}"
            );
            assert!(ordered.is_empty(), "{shown:?} ordered {ordered:?}");
        }
        Ordered(expected) => {
            assert!(
                response.starts_with("HTTP/1.1 200 "),
                "{shown:?}: {response}"
            );
            assert_eq!(ordered, expected, "{shown:?}");
        }
        Closed => assert_eq!((response.as_str(), ordered.len()), ("", 0), "{shown:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_is_refused_or_harmless_and_the_server_goes_on() {
    let service = start(Setup::default()).await;
    let cases = [lengths(), codings(), chunks(), heads(), lines()].concat();
    assert!(cases.len() >= 50, "{}", cases.len());
    for (bytes, fate) in cases {
        check(&service, &bytes, fate).await;
        check(&service, &get(""), Ordered(&["GET /g"])).await;
    }
}

#[tokio::test]
async fn what_follows_a_refused_request_is_never_read_as_one() {
    let service = start(Setup::default()).await;
    let bad =
        "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n";
    let bytes = format!("{}{bad}{SMUGGLED}{SMUGGLED}", line("GET /first HTTP/1.1"));
    let response = raw(service.address, bytes.as_bytes()).await;
    assert_eq!(*service.targets.lock().unwrap(), ["GET /first"]);
    assert_eq!(response.matches("HTTP/1.1 ").count(), 2, "{response}");
    assert!(response.contains("HTTP/1.1 400 Bad Request"), "{response}");
}
