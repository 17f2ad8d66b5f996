//! From an incoming HTTP request to the canonical one that is ordered (PROOFS §1).
//!
//! Whether a request is canonical is a pure function of its bytes and the service's settings:
//! the gateway applies it to what clients send, the executor to what other gateways had ordered.
//! Header fields are sorted by name, so that proxies which reorder them change no request-id.

mod content_digest;
mod forwarding;

use std::collections::BTreeSet;

use bytes::Bytes;
use byzantine_consensus::Request;
use byzantine_proof::{IdempotencyKey, ProofError, RequestBase, RequestFields, RequestParts};
use http::request::Parts;
use http::{Method, Version};

use crate::idempotency::key_of;
use crate::problem::{Problem, ProblemKind};

pub(crate) use forwarding::is_hop_by_hop;
use forwarding::{Forwarding, wants_upgrade};

/// The longest target in bytes.
const MAX_TARGET_BYTES: usize = 8 * 1024;

/// The longest method in bytes.
const MAX_METHOD_BYTES: usize = 32;

/// The most bytes of forwarded header fields.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// What a service's settings say about requests; equal on all its replicas.
#[derive(Debug, Clone)]
pub struct RequestRules {
    dropped: BTreeSet<String>,
    covered: RequestFields,
    max_body_bytes: usize,
    /// Where the app's whole state is, in one spelling.
    reserved: Option<String>,
}

impl RequestRules {
    /// `dropped`: `spec.http.dropRequestHeaders`; `covered`: `spec.http.coveredRequestHeaders`.
    pub fn new<'a>(
        dropped: impl IntoIterator<Item = &'a str>,
        covered: RequestFields,
        max_body_bytes: usize,
    ) -> Self {
        let dropped = dropped.into_iter().map(str::to_ascii_lowercase).collect();
        Self {
            dropped,
            covered,
            max_body_bytes,
            reserved: None,
        }
    }

    /// Keeps clients away from `spec.app.state.snapshotPath`: whoever could send a PUT there would
    /// replace the state of every replica.
    #[must_use]
    pub fn reserving(self, path: Option<&str>) -> Self {
        let reserved = path.map(plain);
        Self { reserved, ..self }
    }

    /// The largest body in bytes, of requests and of responses.
    pub fn max_body_bytes(&self) -> usize {
        self.max_body_bytes
    }

    /// The canonical form of a request that came over HTTP.
    ///
    /// # Errors
    /// The problem that the client is told.
    pub fn canonicalise(&self, head: &Parts, body: Bytes) -> Result<Request, Problem> {
        check_orderable(head)?;
        let (key, key_source) = key_of(&head.headers)?;
        let request = Request {
            method: head.method.as_str().to_owned(),
            target: target(head)?,
            headers: Forwarding::of(&head.headers, &self.dropped).fields(&head.headers),
            body,
            key: key.as_str().to_owned(),
            key_source,
        };
        self.check(&request).map(|_| request)
    }

    /// Whether an ordered request is canonical, and the signature base whose digest is the
    /// leaf's `request`.
    ///
    /// # Errors
    /// Why a correct gateway would never have had it ordered.
    pub fn check(&self, request: &Request) -> Result<RequestBase, Problem> {
        check_method(&request.method)?;
        check_headers(request, &self.dropped)?;
        check_body(request, self.max_body_bytes)?;
        let problem = |error: ProofError| {
            let kind = match error {
                ProofError::Target { .. } => ProblemKind::InvalidTarget,
                ProofError::IdempotencyKey => ProblemKind::InvalidIdempotencyKey,
                ProofError::Method { .. } => ProblemKind::MalformedRequest,
                _ => ProblemKind::InvalidHeader,
            };
            Problem::new(kind, format!("{error}."))
        };
        let key = IdempotencyKey::new(&request.key).map_err(problem)?;
        let (path, query) = split_target(&request.target)?;
        if self
            .reserved
            .as_ref()
            .is_some_and(|reserved| *reserved == plain(path))
        {
            let detail = "The path is app.state.snapshotPath, which is between the application and \
                          its sidecar.";
            return Err(Problem::new(ProblemKind::NotOrderable, detail));
        }
        let headers: Vec<(&str, &[u8])> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), &value[..]))
            .collect();
        let (method, body) = (request.method.as_str(), &request.body[..]);
        let parts = RequestParts {
            method,
            path,
            query,
            key: &key,
            body,
            headers: &headers,
        };
        parts.base(&self.covered).map_err(problem)
    }
}

/// A path as an app may read it: decoded, without empty segments, in lower case.
fn plain(path: &str) -> String {
    let (mut decoded, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    let text = String::from_utf8_lossy(&decoded).to_ascii_lowercase();
    let segments: Vec<&str> = text.split('/').filter(|it| !it.is_empty()).collect();
    segments.join("/")
}

/// Whether a response to `method` may not change the app's state (RFC 9110 §9.2.1).
pub(crate) fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

fn check_orderable(head: &Parts) -> Result<(), Problem> {
    let connect = head.method == Method::CONNECT;
    if connect || (head.version == Version::HTTP_11 && wants_upgrade(&head.headers)) {
        let detail = "The request asks to leave HTTP (CONNECT or Upgrade); what follows could not \
                      be ordered.";
        return Err(Problem::new(ProblemKind::NotOrderable, detail));
    }
    Ok(())
}

fn check_method(method: &str) -> Result<(), Problem> {
    if method.len() > MAX_METHOD_BYTES {
        let detail = format!("The method has more than {MAX_METHOD_BYTES} characters.");
        return Err(Problem::new(ProblemKind::MalformedRequest, detail));
    }
    if matches!(method, "CONNECT" | "TRACE") {
        let detail = format!("{method} is not forwarded to the application.");
        return Err(Problem::new(ProblemKind::NotOrderable, detail));
    }
    Ok(())
}

/// Origin form: of an absolute-form target only path and query count (RFC 9112 §3.2.2).
fn target(head: &Parts) -> Result<String, Problem> {
    let refused = |why: &str| Err(Problem::new(ProblemKind::InvalidTarget, why));
    match head.uri.scheme_str() {
        None if head.uri.authority().is_some() => {
            return refused("The target is a host, which only CONNECT may name.");
        }
        None | Some("http" | "https") => {}
        Some(scheme) => return refused(&format!("The target has the scheme {scheme}.")),
    }
    match head
        .uri
        .path_and_query()
        .map(http::uri::PathAndQuery::as_str)
    {
        None | Some("") => Ok("/".to_owned()),
        Some(target) if target.starts_with('?') => Ok(format!("/{target}")),
        Some("*") => refused("The target `*` names no resource of the application."),
        Some(target) => Ok(target.to_owned()),
    }
}

fn split_target(target: &str) -> Result<(&str, Option<&str>), Problem> {
    let refused = |why| Problem::new(ProblemKind::InvalidTarget, why);
    if target.len() > MAX_TARGET_BYTES {
        return Err(refused(format!(
            "The target is longer than {MAX_TARGET_BYTES} bytes."
        )));
    }
    if !target.starts_with('/') {
        return Err(refused("The target is not an absolute path.".to_owned()));
    }
    // RFC 9112 §3.2.1 allows it; but http.server of Python reads one slash, RFC 3986 §4.2 a host.
    if target.starts_with("//") {
        let why = "The target begins with two slashes, which servers read differently.";
        return Err(refused(why.to_owned()));
    }
    Ok(target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query))))
}

fn check_headers(request: &Request, dropped: &BTreeSet<String>) -> Result<(), Problem> {
    let mut bytes = 0;
    for (name, value) in &request.headers {
        bytes += name.len() + value.len() + 4;
        if bytes > MAX_HEADER_BYTES {
            let detail = format!("The header fields have more than {MAX_HEADER_BYTES} bytes.");
            return Err(Problem::new(ProblemKind::HeadersTooLarge, detail));
        }
        forwarding::check_field(name, value, dropped)?;
    }
    if request
        .headers
        .is_sorted_by(|left, right| left.0 <= right.0)
    {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::InvalidHeader,
        "The header fields are not sorted by name.",
    ))
}

fn check_body(request: &Request, limit: usize) -> Result<(), Problem> {
    if request.body.len() > limit {
        let detail = format!("The body has more than the {limit} bytes that are allowed.");
        return Err(Problem::new(ProblemKind::BodyTooLarge, detail));
    }
    content_digest::check(&request.headers, &request.body)
}

#[cfg(test)]
mod tests {
    use http::Request as HttpRequest;

    use super::*;

    fn rules() -> RequestRules {
        RequestRules::new(["X-Debug"], RequestFields::new(["x-tenant"]).unwrap(), 100)
    }

    fn canonical(builder: http::request::Builder, body: &'static [u8]) -> Result<Request, Problem> {
        let (head, ()) = builder.body(()).unwrap().into_parts();
        rules().canonicalise(&head, Bytes::from_static(body))
    }

    fn kind(builder: http::request::Builder) -> ProblemKind {
        canonical(builder, b"").unwrap_err().kind
    }

    #[test]
    fn end_to_end_fields_are_forwarded_sorted() {
        let builder = HttpRequest::post("/a/b?c=%20")
            .header("X-B", " 2 ")
            .header("x-a", "1")
            .header("x-b", "3")
            .header("host", "evil.example")
            .header("connection", "close, x-hop")
            .header("x-hop", "1")
            .header("x-forwarded-for", "1.2.3.4")
            .header("sec-fetch-mode", "cors")
            .header("byzantine-ordinal", "7")
            .header("x-debug", "1")
            .header("accept-encoding", "gzip")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("idempotency-key", "\"k\"");
        let request = canonical(builder, b"x").unwrap();
        let fields: Vec<(&str, &[u8])> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), &value[..]))
            .collect();
        let expected: [(&str, &[u8]); 4] = [
            ("cookie", b"a=1; b=2"),
            ("x-a", b"1"),
            ("x-b", b"2"),
            ("x-b", b"3"),
        ];
        assert_eq!(fields, expected);
        assert_eq!(
            (request.target.as_str(), request.key.as_str()),
            ("/a/b?c=%20", "k")
        );
    }

    #[test]
    fn absolute_form_loses_its_authority() {
        for (sent, target) in [
            ("http://evil.example/a?b", "/a?b"),
            ("https://evil.example", "/"),
            ("http://evil.example?x", "/?x"),
            ("/a?", "/a?"),
        ] {
            assert_eq!(
                canonical(HttpRequest::get(sent), b"").unwrap().target,
                target,
                "{sent}"
            );
        }
    }

    #[test]
    fn targets_that_mean_another_are_refused() {
        for target in [
            "/a/../b",
            "//a",
            "/./a",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/..",
            "*",
            "ftp://a/b",
        ] {
            assert_eq!(
                kind(HttpRequest::get(target)),
                ProblemKind::InvalidTarget,
                "{target}"
            );
        }
        assert!(canonical(HttpRequest::get("/a..b/...?q=../x"), b"").is_ok());
    }

    #[test]
    fn what_cannot_be_ordered_is_refused() {
        let connect = HttpRequest::builder().method("CONNECT").uri("a.example:80");
        assert_eq!(kind(connect), ProblemKind::NotOrderable);
        let socket = HttpRequest::get("/").header("upgrade", "websocket");
        assert_eq!(kind(socket), ProblemKind::NotOrderable);
        let trace = HttpRequest::builder().method("TRACE").uri("/");
        assert_eq!(kind(trace), ProblemKind::NotOrderable);
        let h2c = HttpRequest::get("/")
            .header("upgrade", "h2c")
            .header("connection", "upgrade");
        assert!(canonical(h2c, b"").unwrap().headers.is_empty());
    }

    #[test]
    fn odd_header_values_are_refused() {
        for bad in [&b"\xc3\xa4"[..], b"\x80", b"a\xff"] {
            let value = http::HeaderValue::from_bytes(bad).unwrap();
            let builder = HttpRequest::get("/").header("x-city", value);
            assert_eq!(kind(builder), ProblemKind::InvalidHeader);
        }
    }

    #[test]
    fn digests_of_other_bodies_are_refused() {
        let digest = "sha-256=:LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=:"; // of "x"
        let builder = || HttpRequest::post("/").header("content-digest", digest);
        assert!(canonical(builder(), b"x").is_ok());
        assert_eq!(kind(builder()), ProblemKind::ContentDigestMismatch);
    }

    #[test]
    fn bodies_have_a_limit() {
        let problem = canonical(HttpRequest::post("/"), &[b'x'; 101]).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::BodyTooLarge);
    }

    #[test]
    fn what_a_faulty_gateway_orders_is_refused() {
        let good = canonical(HttpRequest::get("/"), b"").unwrap();
        let base = rules().check(&good).unwrap();
        assert!(base.text.starts_with("\"@method\": GET\n\"@path\": /\n"));
        let headers = |name: &str, value: &[u8]| Request {
            headers: vec![(name.to_owned(), value.to_vec())],
            ..good.clone()
        };
        let bad = [
            headers("byzantine-ordinal", b"1"),
            headers("transfer-encoding", b"chunked"),
            headers("x-debug", b"1"),
            headers("x\r\nevil", b"1"),
            headers("x", b"1\r\nevil: 2"),
            headers("X", b"1"),
            Request {
                method: "GET / HTTP/1.1\r\n".to_owned(),
                ..good.clone()
            },
            Request {
                target: "/ HTTP/1.1\r\nevil: 1".to_owned(),
                ..good.clone()
            },
            Request {
                target: "a".to_owned(),
                ..good.clone()
            },
            Request {
                target: "/#a".to_owned(),
                ..good.clone()
            },
            Request {
                key: "\r\n".to_owned(),
                ..good.clone()
            },
        ];
        for request in bad {
            assert!(rules().check(&request).is_err(), "{request:?}");
        }
    }

    #[test]
    fn no_spelling_of_the_snapshot_path_is_forwarded() {
        let good = canonical(HttpRequest::get("/"), b"").unwrap();
        let rules = rules().reserving(Some("/byzantine/snapshot"));
        let spellings = [
            "/byzantine/snapshot",
            "/byzantine/snapshot?x=1",
            "/byzantine//snapshot/",
            "/Byzantine/%73napshot",
        ];
        for target in spellings {
            let target = target.to_owned();
            let refused = rules.check(&Request {
                target,
                ..good.clone()
            });
            assert!(refused.is_err(), "{refused:?}");
        }
        let target = "/byzantine/snapshots".to_owned();
        assert!(rules.check(&Request { target, ..good }).is_ok());
    }
}
