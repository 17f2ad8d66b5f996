//! The HTTP responses of the gateway: certified answers with their proofs, and problems.

use bytes::Bytes;
use byzantine_proof::{
    FieldBlock, IdempotencyKey, MAX_INLINE_BYTES, PROOF_HEADER, ResponseLeaf, encode_header,
    proof_link,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::digests::{WantedDigests, unencoded_digest};
use crate::config::ProofTransport;
use crate::idempotency::KEY_HEADER;
use crate::problem::{PROBLEM_MEDIA_TYPE, Problem, ProblemKind};
use crate::submission::Certified;

/// A response with its whole body.
pub(super) type Reply = Response<Bytes>;

/// What a certified reply depends on besides the answer.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The request's method.
    pub(super) method: Method,
    /// The request's key.
    pub(super) key: IdempotencyKey,
    /// Digests that the client wants.
    pub(super) digests: WantedDigests,
}

/// A reply without a body.
pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    reply
}

/// A reply of our own making, of a given media type.
pub(super) fn document(content: impl Into<Bytes>, media_type: &'static str) -> Reply {
    let mut reply = Response::new(content.into());
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    reply
}

/// A problem document; it is not certified.
pub(super) fn problem(problem: &Problem) -> Reply {
    let mut reply = document(problem.to_json(), PROBLEM_MEDIA_TYPE);
    *reply.status_mut() = problem.kind.status();
    if let Some(seconds) = problem.retry_after {
        reply
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// Tells the client the key under which its request is known, so that it can send it again.
pub(super) fn name_key(headers: &mut HeaderMap, key: &IdempotencyKey) {
    if let Ok(value) = HeaderValue::from_str(&key.to_string()) {
        headers.insert(KEY_HEADER, value);
    }
}

/// The certified answer with its proof.
pub(super) fn certified(certified: &Certified, asked: &Asked, transport: ProofTransport) -> Reply {
    let answer = &certified.answer;
    let parsed = parse(&answer.leaf, &answer.fields);
    let Some((leaf, block, status)) = parsed else {
        return problem(&unreadable());
    };
    let mut reply = empty(status);
    let headers = reply.headers_mut();
    for field in block.fields() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&field.value)) {
            headers.append(name, value);
        }
    }
    add_missing(headers, asked, status, &answer.content);
    add_proof(headers, certified, &leaf, transport);
    if asked.method != Method::HEAD {
        *reply.body_mut() = answer.content.clone();
    }
    reply
}

fn parse(leaf: &[u8], fields: &[u8]) -> Option<(ResponseLeaf, FieldBlock, StatusCode)> {
    let leaf = ResponseLeaf::parse(std::str::from_utf8(leaf).ok()?).ok()?;
    let block = FieldBlock::parse(std::str::from_utf8(fields).ok()?).ok()?;
    let status = StatusCode::from_u16(leaf.status).ok()?;
    Some((leaf, block, status))
}

/// Fields of the gateway's, where the answer has none of the name: certified ones stay as they are.
fn add_missing(headers: &mut HeaderMap, asked: &Asked, status: StatusCode, content: &[u8]) {
    if !headers.contains_key(KEY_HEADER) {
        name_key(headers, &asked.key);
    }
    let readable = matches!(asked.method, Method::GET | Method::POST);
    if status == StatusCode::OK && readable {
        add_digest(headers, "unencoded-digest", unencoded_digest(content));
    }
    let whole = !matches!(status.as_u16(), 204 | 206 | 304) && asked.method != Method::HEAD;
    if whole {
        add_digest(headers, "repr-digest", asked.digests.repr_digest(content));
    }
}

fn add_digest(headers: &mut HeaderMap, name: &'static str, digest: Option<HeaderValue>) {
    if let (Some(digest), false) = (digest, headers.contains_key(name)) {
        headers.insert(name, digest);
    }
}

/// In the header while it is short; a proof is never indexed in HPACK, as no two are alike.
fn add_proof(
    headers: &mut HeaderMap,
    certified: &Certified,
    leaf: &ResponseLeaf,
    transport: ProofTransport,
) {
    let value = encode_header(&certified.proof.to_text());
    let inline = match transport {
        ProofTransport::Auto => value.len() <= MAX_INLINE_BYTES,
        ProofTransport::Inline => true,
        ProofTransport::Link => false,
    };
    if inline {
        if let Ok(mut value) = HeaderValue::from_str(&value) {
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(PROOF_HEADER), value);
        }
    } else if let Ok(link) = HeaderValue::from_str(&proof_link(&leaf.key)) {
        headers.append(header::LINK, link);
    }
}

/// What cannot be while a quorum of correct replicas writes the leaves.
fn unreadable() -> Problem {
    let detail = "The certified answer in this replica's ledger cannot be read.";
    Problem::new(ProblemKind::UnusableAnswer, detail)
}
