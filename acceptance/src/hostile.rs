//! Hostile requests: what each is, its bytes, and the status it must get.

/// A request that must be refused.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// What is wrong with it.
    pub what: String,
    /// All of it.
    pub bytes: Vec<u8>,
    /// The status of the refusal.
    pub status: u16,
}

/// All of them.
pub fn all() -> Vec<Hostile> {
    let groups = [
        request_lines(),
        fields(),
        lengths(),
        chunks(),
        targets(),
        keys(),
        sizes(),
    ];
    groups.into_iter().flatten().collect()
}

fn hostile(what: &str, bytes: impl AsRef<[u8]>, status: u16) -> Hostile {
    Hostile {
        what: what.to_owned(),
        bytes: bytes.as_ref().to_vec(),
        status,
    }
}

/// A GET whose request line is `line`.
fn line(line: &str, status: u16) -> Hostile {
    hostile(line, format!("{line}\r\nHost: a\r\n\r\n"), status)
}

fn request_lines() -> Vec<Hostile> {
    let malformed = [
        "GET /",
        "GET  / HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.10",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / http/1.1",
        "GET / HTTPS/1.1",
        "G@T / HTTP/1.1",
        "GET /#fragment HTTP/1.1",
        "GET /a b HTTP/1.1",
        "\u{16}\u{3}\u{1}\u{2}\u{0}",
        "hello",
    ];
    let mut requests: Vec<Hostile> = malformed.map(|text| line(text, 400)).into();
    requests.push(line("CONNECT a:443 HTTP/1.1", 501));
    requests.push(line("TRACE / HTTP/1.1", 501));
    let long = format!("{} / HTTP/1.1", "M".repeat(40));
    requests.push(line(&long, 400));
    requests
}

/// A GET with further field lines.
fn field(lines: &str, status: u16) -> Hostile {
    hostile(
        lines,
        format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"),
        status,
    )
}

fn fields() -> Vec<Hostile> {
    let mut requests: Vec<Hostile> = [
        "x : 1",
        "x",
        ": 1",
        " folded: 1",
        "x: 1\r\n\tfolded",
        "x: a\u{0}b",
        "x: a\u{7f}b",
        "x: b\u{e4}r",
        "x\u{1}: 1",
        "Host: b",
        "x: 1\n y: 2",
        "x: a\rb",
    ]
    .map(|lines| field(lines, 400))
    .into();
    requests.push(hostile("no Host", "GET / HTTP/1.1\r\n\r\n", 400));
    requests.push(hostile(
        "two hosts in one",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        400,
    ));
    requests.push(hostile(
        "a user in the Host",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        400,
    ));
    requests.push(hostile("bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400));
    requests.push(field("Connection: upgrade\r\nUpgrade: websocket", 501));
    requests.push(hostile(
        "latin-1 in a field",
        b"GET / HTTP/1.1\r\nHost: a\r\nx: b\xe4r\r\n\r\n",
        400,
    ));
    requests
}

/// A POST with framing fields and whatever follows.
fn framed(lines: &str, body: &str, status: u16) -> Hostile {
    let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}");
    hostile(&format!("{lines} {body}"), text, status)
}

fn lengths() -> Vec<Hostile> {
    [
        "Content-Length: -1",
        "Content-Length: +3",
        "Content-Length: 0x3",
        "Content-Length: 3, 3",
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 99999999999999999999",
        "Content-Length:",
        "Content-Length: 3 3",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Digest: sha-256=:AAAA:\r\nContent-Length: 3",
    ]
    .map(|lines| framed(lines, "abc", 400))
    .into()
}

fn chunks() -> Vec<Hostile> {
    [
        "x\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc",
        "3;\u{1}\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
    ]
    .map(|body| framed("Transfer-Encoding: chunked", body, 400))
    .into()
}

fn targets() -> Vec<Hostile> {
    let mut requests: Vec<Hostile> = [
        "GET /a/../b HTTP/1.1",
        "GET /a/./b HTTP/1.1",
        "GET /.. HTTP/1.1",
        "GET /a/%2e%2e/b HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ]
    .map(|text| line(text, 400))
    .into();
    requests.push(line(
        "GET /.well-known/byzantine/no-such-page HTTP/1.1",
        404,
    ));
    requests.push(line("POST /.well-known/byzantine/policy HTTP/1.1", 405));
    requests
}

fn keys() -> Vec<Hostile> {
    let long = format!("Idempotency-Key: \"{}\"", "k".repeat(200));
    let mut requests: Vec<Hostile> = [
        "Idempotency-Key: \"\"",
        "Idempotency-Key: \"unfinished",
        "Idempotency-Key: two words",
        "Idempotency-Key: \"a\", \"b\"",
        "Idempotency-Key: \"a\"\r\nIdempotency-Key: \"b\"",
        "Idempotency-Key:",
    ]
    .map(|lines| field(lines, 400))
    .into();
    requests.push(field(&long, 400));
    requests
}

fn sizes() -> Vec<Hostile> {
    let many: Vec<String> = (0..120).map(|number| format!("x-{number}: 1")).collect();
    let big = "b".repeat((1 << 20) + 1);
    let declared = format!("Content-Length: {}", big.len());
    vec![
        field(&format!("x: {}", "x".repeat(20_000)), 431),
        field(&many.join("\r\n"), 431),
        line(&format!("GET /{} HTTP/1.1", "p".repeat(9_000)), 400),
        line(&format!("GET /{} HTTP/1.1", "p".repeat(20_000)), 431),
        framed(&declared, &big, 413),
        framed("Content-Length: 1048577", "", 413),
    ]
}
