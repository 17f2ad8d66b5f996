//! Errors of our own, as RFC 9457 problem documents.
//!
//! Each says what happened, why, and what to do next. Some are certified, so a document is a pure
//! function of its kind and detail.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

/// The media type of a problem document (RFC 9457 §3).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The longest detail in characters; what a stranger sent us may be quoted in it.
const MAX_DETAIL: usize = 600;

/// What can go wrong between a client and its certified answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// 400: the bytes are no unambiguous HTTP request.
    MalformedRequest,
    /// 400: the target is not a plain absolute path and query.
    InvalidTarget,
    /// 400: a header field cannot be forwarded unchanged.
    InvalidHeader,
    /// 400: the body is not the one that `Content-Digest` names.
    ContentDigestMismatch,
    /// 400: the `Idempotency-Key` cannot be read.
    InvalidIdempotencyKey,
    /// 404: nothing lives at this well-known path.
    NotFound,
    /// 405: a well-known path was asked with another method than GET or HEAD.
    MethodNotAllowed,
    /// 408: the request did not arrive in time.
    SlowRequest,
    /// 413: the body is too big.
    BodyTooLarge,
    /// 422, certified: the key belongs to another request.
    KeyReused,
    /// 429, certified: no further key of this gateway's can be remembered now.
    KeyLimit,
    /// 431: the header section is too big.
    HeadersTooLarge,
    /// 501: this cannot be put into one order with other requests.
    NotOrderable,
    /// 502, certified: the app's response cannot be certified.
    UnusableAnswer,
    /// 502, certified: the replicas' apps answered differently.
    ReplicasDiffer,
    /// 503: this gateway did not accept the request.
    NotAccepted,
    /// 504: accepted, and not decided in time.
    Undecided,
}

impl ProblemKind {
    /// The response's status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::MalformedRequest
            | Self::InvalidTarget
            | Self::InvalidHeader
            | Self::ContentDigestMismatch
            | Self::InvalidIdempotencyKey => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowRequest => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::KeyLimit => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotOrderable => StatusCode::NOT_IMPLEMENTED,
            Self::UnusableAnswer | Self::ReplicasDiffer => StatusCode::BAD_GATEWAY,
            Self::NotAccepted => StatusCode::SERVICE_UNAVAILABLE,
            Self::Undecided => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The last segment of the problem's `type` URL, and its title.
    fn name_and_title(self) -> (&'static str, &'static str) {
        match self {
            Self::MalformedRequest => ("malformed-request", "The request is malformed"),
            Self::InvalidTarget => ("invalid-target", "The request target is not canonical"),
            Self::InvalidHeader => ("invalid-header", "A header field cannot be forwarded"),
            Self::ContentDigestMismatch => (
                "content-digest-mismatch",
                "The body does not match its Content-Digest",
            ),
            Self::InvalidIdempotencyKey => (
                "invalid-idempotency-key",
                "The Idempotency-Key is malformed",
            ),
            Self::NotFound => ("not-found", "There is no such page"),
            Self::MethodNotAllowed => ("method-not-allowed", "This page can only be read"),
            Self::SlowRequest => ("slow-request", "The request did not arrive in time"),
            Self::BodyTooLarge => ("body-too-large", "The body is too large"),
            Self::KeyReused => (
                "key-reused",
                "This Idempotency-Key was used with another request",
            ),
            Self::KeyLimit => (
                "key-limit",
                "No further Idempotency-Key can be remembered now",
            ),
            Self::HeadersTooLarge => ("headers-too-large", "The header section is too large"),
            Self::NotOrderable => ("not-orderable", "This request cannot be ordered"),
            Self::UnusableAnswer => (
                "unusable-answer",
                "The application's response cannot be certified",
            ),
            Self::ReplicasDiffer => ("replicas-differ", "The replicas' answers differ"),
            Self::NotAccepted => ("not-accepted", "This gateway did not accept the request"),
            Self::Undecided => ("undecided", "The answer is not decided yet"),
        }
    }

    /// What to do next.
    fn next_step(self) -> &'static str {
        match self {
            Self::MalformedRequest => {
                "Send the request with an HTTP library; check hand-made or proxied requests."
            }
            Self::InvalidTarget => {
                "Resolve . and .. segments before sending, and percent-encode other characters."
            }
            Self::InvalidHeader => {
                "Send visible ASCII only; encode other text, for instance by RFC 8187."
            }
            Self::ContentDigestMismatch => {
                "Compute Content-Digest over the bytes that are sent, or leave it out."
            }
            Self::InvalidIdempotencyKey => {
                "Send one key of 1 to 128 printable ASCII characters in double quotes, or none."
            }
            Self::NotFound => "See /.well-known/byzantine/ for what is here.",
            Self::MethodNotAllowed => "Use GET or HEAD.",
            Self::SlowRequest => "Send the whole request at once, over a faster connection.",
            Self::BodyTooLarge => {
                "Send less at a time, or ask the operator to raise spec.http.maxBodyBytes."
            }
            Self::KeyReused => "Use a new Idempotency-Key for every new request.",
            Self::KeyLimit => {
                "Send it again with the same Idempotency-Key: through another replica, or after \
                 Retry-After. If this lasts, ask the operator to shorten spec.http.keyRetention."
            }
            Self::HeadersTooLarge => "Send fewer or shorter header fields; check the cookies.",
            Self::NotOrderable => {
                "Use plain requests and responses: no CONNECT, TRACE or protocol upgrade."
            }
            Self::UnusableAnswer => {
                "Nothing a client does helps: tell the operator, who finds the cause here."
            }
            Self::ReplicasDiffer => {
                "Tell the operator: the application is not deterministic here. `byz status` shows \
                 what differed, and `byz doctor` finds the cause."
            }
            Self::NotAccepted => "Send it again with the same Idempotency-Key, never a new one.",
            Self::Undecided => {
                "It may still be executed. Send it again with the same Idempotency-Key, never a \
                 new one: it runs once, and you receive its answer."
            }
        }
    }
}

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which kind.
    pub kind: ProblemKind,
    /// What happened this time and why.
    pub detail: String,
    /// When to try again, in seconds.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem of `kind`; an over-long detail is cut.
    pub fn new(kind: ProblemKind, detail: impl AsRef<str>) -> Self {
        let detail = detail.as_ref().chars().take(MAX_DETAIL).collect();
        Self {
            kind,
            detail,
            retry_after: None,
        }
    }

    /// The same, asking the client to wait `seconds` first.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    /// The document in JSON.
    pub fn to_json(&self) -> Bytes {
        let (name, title) = self.kind.name_and_title();
        let document = Document {
            type_url: format!("https://byzantine.dev/problems/{name}"),
            title,
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            next_step: self.kind.next_step(),
        };
        let json = serde_json::to_vec(&document);
        Bytes::from(json.expect("strings and numbers always serialise"))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(rename = "type")]
    type_url: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    next_step: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_members_of_rfc_9457() {
        let problem = Problem::new(ProblemKind::KeyReused, "The key \"k\" is taken.");
        let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(json["type"], "https://byzantine.dev/problems/key-reused");
        assert_eq!(json["status"], 422);
        assert_eq!(json["detail"], "The key \"k\" is taken.");
        assert!(
            json["nextStep"]
                .as_str()
                .unwrap()
                .contains("new Idempotency-Key")
        );
    }

    #[test]
    fn long_details_are_cut() {
        let problem = Problem::new(ProblemKind::InvalidTarget, "ä".repeat(9999));
        assert_eq!(problem.detail.chars().count(), MAX_DETAIL);
    }
}
