//! Which header fields of a request reach the application (PROOFS §1).
//!
//! Left out is what belongs to one connection, differs between gateways or between retries, or
//! is set by the executor.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue, header};

use crate::problem::{Problem, ProblemKind};

/// Belong to one connection (RFC 9110 §7.6.1), whether or not `Connection` names them.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Differ per gateway or retry, or are made anew.
const NOT_FORWARDED: [&str; 16] = [
    "accept-encoding",
    "cache-control",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "origin",
    "pragma",
    "priority",
    "referer",
    "traceparent",
    "tracestate",
    "via",
    "x-real-ip",
    "x-request-id",
];

const NOT_FORWARDED_PREFIXES: [&str; 3] = ["byzantine-", "sec-", "x-forwarded-"];

/// Whether a field belongs to one connection.
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
}

/// Whether the client asks to leave HTTP. An offer of h2c is passed over, as RFC 9113 §3.1 wants.
pub(super) fn wants_upgrade(headers: &HeaderMap) -> bool {
    let h2c = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"h2c");
    headers
        .get_all(header::UPGRADE)
        .iter()
        .any(|value| !h2c(value))
}

/// The choice of fields for one request.
pub(super) struct Forwarding<'a> {
    dropped: &'a BTreeSet<String>,
    nominated: BTreeSet<String>,
}

impl<'a> Forwarding<'a> {
    /// `dropped` is the service's own list.
    pub(super) fn of(headers: &HeaderMap, dropped: &'a BTreeSet<String>) -> Self {
        let values = headers.get_all(header::CONNECTION).iter();
        let options = values.filter_map(|value| value.to_str().ok());
        let nominated = options
            .flat_map(|value| value.split(','))
            .map(|option| option.trim().to_ascii_lowercase())
            .collect();
        Self { dropped, nominated }
    }

    /// The forwarded fields, sorted by name; those of one name stay in order.
    pub(super) fn fields(&self, headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
        let mut fields: Vec<(String, Vec<u8>)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(name, _)| !self.nominated.contains(*name))
            .filter(|(name, _)| is_forwarded(name, self.dropped))
            .map(|(name, value)| (name.to_owned(), value.as_bytes().trim_ascii().to_vec()))
            .collect();
        fields.sort_by(|left, right| left.0.cmp(&right.0));
        join_cookies(fields)
    }
}

/// HTTP/2 may split `Cookie`; it is one field in HTTP/1.1 (RFC 9113 §8.2.3).
fn join_cookies(fields: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut joined: Vec<(String, Vec<u8>)> = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        match joined.last_mut() {
            Some((last, crumbs)) if name == "cookie" && last == "cookie" => {
                crumbs.extend_from_slice(b"; ");
                crumbs.extend_from_slice(&value);
            }
            _ => joined.push((name, value)),
        }
    }
    joined
}

/// Names with `_` count as those with `-`: CGI-like interfaces cannot tell them apart.
fn is_forwarded(name: &str, dropped: &BTreeSet<String>) -> bool {
    let name = &*name.replace('_', "-");
    let prefixed = NOT_FORWARDED_PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix));
    let known = is_hop_by_hop(name) || NOT_FORWARDED.contains(&name);
    !(known || prefixed || dropped.contains(name))
}

/// Whether a field of an ordered request is one that [`Forwarding::fields`] could have made.
pub(super) fn check_field(
    name: &str,
    value: &[u8],
    dropped: &BTreeSet<String>,
) -> Result<(), Problem> {
    let refused = |why: &str| {
        let detail = format!("The header field `{}` {why}.", name.escape_default());
        Err(Problem::new(ProblemKind::InvalidHeader, detail))
    };
    let lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if !lower || http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return refused("has no lower-case field name");
    }
    if !is_forwarded(name, dropped) {
        return refused("is not for the application");
    }
    if !value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return refused("has a value beyond visible ASCII");
    }
    if value.trim_ascii().len() != value.len() {
        return refused("has outer white space");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_lower_case() {
        assert!(HOP_BY_HOP.is_sorted() && NOT_FORWARDED.is_sorted());
        let names = HOP_BY_HOP.iter().chain(&NOT_FORWARDED);
        assert!(
            names
                .into_iter()
                .all(|name| *name == name.to_ascii_lowercase())
        );
    }

    #[test]
    fn prefixes_and_own_lists_count() {
        let dropped = BTreeSet::from(["x-debug".to_owned()]);
        for name in [
            "sec-ch-ua",
            "byzantine-time",
            "x-forwarded-proto",
            "te",
            "host",
            "x-debug",
            "byzantine_ordinal",
            "x_debug",
        ] {
            assert!(!is_forwarded(name, &dropped), "{name}");
        }
        for name in [
            "accept",
            "authorization",
            "content-digest",
            "range",
            "section",
        ] {
            assert!(is_forwarded(name, &dropped), "{name}");
        }
    }
}
