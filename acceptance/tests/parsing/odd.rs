//! Odd requests: each is allowed by some reading of some RFC, and refused or read differently by
//! some server. Whether it is accepted is the gateway's affair; how it is read is not.

/// One connection's worth of bytes.
pub(crate) struct Odd {
    /// What is odd about it.
    pub(crate) what: String,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

/// All of them.
pub(crate) fn all() -> Vec<Odd> {
    let groups = [
        methods(),
        targets(),
        fields(),
        lengths(),
        chunks(),
        pipelines(),
        truncated(),
    ];
    groups.into_iter().flatten().collect()
}

fn odd(what: impl Into<String>, bytes: impl AsRef<[u8]>) -> Odd {
    Odd {
        what: what.into(),
        bytes: bytes.as_ref().to_vec(),
    }
}

fn methods() -> Vec<Odd> {
    let with_body = ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"];
    let without = ["HEAD", "PROPFIND", "M-SEARCH", "QUERY", "get", "X!y", "PRI"];
    let body = "\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let mut requests: Vec<Odd> = Vec::new();
    for method in with_body {
        let what = format!("{method} with a body");
        requests.push(odd(what, format!("{method} / HTTP/1.1{body}")));
    }
    for method in without {
        requests.push(odd(
            method,
            format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ));
    }
    requests.push(odd("HTTP/1.0", "GET /old HTTP/1.0\r\n\r\n"));
    requests.push(odd(
        "HTTP/1.0 with a Host",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    ));
    requests.push(odd(
        "an empty line before",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ));
    requests
}

fn targets() -> Vec<Odd> {
    let targets = [
        "//",
        "///a",
        "/a//b",
        "/a/",
        "/.a",
        "/a.",
        "/...",
        "/a;b=c",
        "/a,b",
        "/a:b",
        "/a@b",
        "/a=b",
        "/a+b",
        "/a%20b",
        "/a%2fb",
        "/a%2Fb",
        "/a%2e",
        "/%2e%2e/a",
        "/a%00b",
        "/a%0d%0ab",
        "/%ff",
        "/%",
        "/%zz",
        "/%c3%a4",
        "/a\\b",
        "/a|b",
        "/a\"b",
        "/a<b>",
        "/a^b",
        "/a`b",
        "/a{b}",
        "/a[b]",
        "/~a",
        "/*",
        "*",
        "/?",
        "/?a",
        "/?a=b&a=c",
        "/?a=b&&c",
        "/?a=%26&b=+",
        "/?a?b",
        "/?a/../b",
        "/?=",
        "?a=b",
        "http://a/x",
        "http://b/x?y",
        "http://a",
        "HTTP://a/x",
        "https://a/x",
        "a/b",
        "//a/b",
        "a:80",
    ];
    let line = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    targets.map(|target| odd(target, line(target))).into()
}

fn fields() -> Vec<Odd> {
    let lines = [
        "x:1",
        "x:  1  ",
        "x:\t1\t",
        "x:",
        "x: \t ",
        "X-UPPER: 1",
        "x: 1\r\nx: 2",
        "x: 1\r\nX: 2",
        "x: 2\r\ny: 1\r\nx: 1",
        "x: a,b\r\nx: c",
        "x: \"a, b\"",
        "x: a;b=\"c\\\"d\"",
        "x: a:b",
        "1: 2",
        "x!#$%&'*+.^`|~: 1",
        "cookie: a=b\r\ncookie: c=d",
        "Cookie: a=b; c=d",
        "x_y: 1\r\nz: 2",
        "connection: close",
        "connection: x\r\nx: 1",
        "connection: keep-alive, x\r\nx: 1\r\ny: 2",
        "te: trailers",
        "expect: 100-continue",
        "keep-alive: timeout=5",
        "upgrade: h2c",
        "accept-encoding: gzip, br",
        "range: bytes=0-1",
        "if-none-match: \"a\"",
        "date: now",
        "x-forwarded-for: 1.2.3.4",
        "x_forwarded_for: 1.2.3.4",
        "forwarded: for=1.2.3.4",
        "byzantine-ordinal: 7",
        "byzantine_ordinal: 7",
        "content-type: text/plain",
        "authorization: Basic YTpi",
        "host : a",
        "x\t: 1",
        "x: a\u{b}b",
        "x: a\u{c}b",
        "x: %0d%0a",
        "x: \u{e4}",
        "host: a",
        "Idempotency-Key: \"one\"",
        "Idempotency-Key: bare",
        "transfer-encoding:",
        "content-length: 0",
        "proxy-connection: close",
    ];
    let request = |lines: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
    lines.map(|lines| odd(lines, request(lines))).into()
}

/// A POST with framing fields and whatever follows.
fn framed(lines: &str, body: &str) -> Odd {
    let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}");
    odd(format!("{lines} {body:?}"), text)
}

fn lengths() -> Vec<Odd> {
    vec![
        framed("Content-Length: 003", "abc"),
        framed("Content-Length:3", "abc"),
        framed("Content-Length:\t3\t", "abc"),
        framed("Content-Length: 3", "\r\n\r"),
        framed("Content-Length: 0", ""),
        framed("x: 1", ""),
        framed("Content-Length: 3\r\nExpect: 100-continue", "abc"),
        framed("Content-Length: 3\r\nExpect: 200-ok", "abc"),
        framed("Content-Length: 3\r\nContent-Encoding: gzip", "abc"),
        framed(
            "Content-Length: 3\r\nContent-Type: multipart/form-data",
            "abc",
        ),
        framed("Content-Length: 3\r\nTransfer_Encoding: chunked", "abc"),
        framed("Content_Length: 9\r\nContent-Length: 3", "abc"),
        framed("Content-Length: 3;", "abc"),
        framed("Content-Length: 3_0", "abc"),
        framed("Content-Length: \u{b}3", "abc"),
    ]
}

fn chunks() -> Vec<Odd> {
    [
        "3\r\nabc\r\n0\r\n\r\n",
        "0\r\n\r\n",
        "03\r\nabc\r\n0\r\n\r\n",
        "0000000000000003\r\nabc\r\n0\r\n\r\n",
        "00000000000000003\r\nabc\r\n0\r\n\r\n",
        "A\r\n0123456789\r\n0\r\n\r\n",
        "a\r\n0123456789\r\n0\r\n\r\n",
        "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n",
        "3;x\r\nabc\r\n0\r\n\r\n",
        "3;x=y\r\nabc\r\n0\r\n\r\n",
        "3;x=\"y\"\r\nabc\r\n0;z\r\n\r\n",
        "3;x=\"\r\n\"\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nx: 1\r\n\r\n",
        "3\r\nabc\r\n0\r\ncontent-length: 9\r\n\r\n",
        "3\r\nabc\r\n0\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n",
        "3\r\nabc\r\n00\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\rabc\r\n0\r\n\r\n",
    ]
    .map(|body| framed("Transfer-Encoding: chunked", body))
    .into()
}

/// What hides a request behind another for whoever finds the end of the first elsewhere.
fn pipelines() -> Vec<Odd> {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let heads = [
        "Content-Length: 0",
        "Transfer-Encoding: chunked\r\nx: 1",
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "x: 1\r\n Transfer-Encoding: chunked",
        "x: 1\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 0",
    ];
    let mut requests: Vec<Odd> = heads
        .map(|lines| framed(lines, &format!("0\r\n\r\n{hidden}")))
        .into();
    requests.push(odd("two at once", hidden.repeat(2)));
    requests.push(odd("ten at once", hidden.repeat(10)));
    let body = "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    requests.push(odd("two with a body before", format!("{body}{hidden}")));
    requests.push(odd("a body too long", format!("{body}def{hidden}")));
    requests
}

/// Every one of these ends in the middle.
fn truncated() -> Vec<Odd> {
    [
        "",
        "G",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u{0}\u{0}\u{4}\u{1}",
    ]
    .map(|text| odd(format!("cut off: {text:?}"), text))
    .into()
}
