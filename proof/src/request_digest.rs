//! The digest of a request: what a client can rebuild from what it sent.
//!
//! It is SHA-256 of an RFC 9421 §2.5 signature base over the method, the target, the idempotency
//! key, the content digest and the covered header fields.

use std::fmt::Write as _;

use crate::digest::Digest;
use crate::error::ProofError;
use crate::fields::trim;
use crate::idempotency_key::IdempotencyKey;
use crate::request_fields::RequestFields;
use crate::text::is_token;

/// The components that every base has, in this order.
const COMPONENTS: [&str; 5] = [
    "@method",
    "@path",
    "@query",
    "idempotency-key",
    "content-digest",
];

/// A request as its sender knows it.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    /// The method, in the case it was sent.
    pub method: &'a str,
    /// The absolute path as sent, percent-encoded; empty means `/`.
    pub path: &'a str,
    /// What follows `?` in the target, if there is a `?`.
    pub query: Option<&'a str>,
    /// The idempotency key.
    pub key: &'a IdempotencyKey,
    /// The content, empty if there is none.
    pub body: &'a [u8],
    /// The header fields, in order; letter case of names does not matter.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// A signature base and its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestBase {
    /// The base, without a line feed at its end.
    pub text: String,
    /// SHA-256 of the text: the leaf's `request`.
    pub digest: Digest,
    /// The header fields that it covers.
    pub fields: RequestFields,
}

impl RequestParts<'_> {
    /// The base over `content-type`, `authorization` and the fields of `covered` that the request
    /// has: what a gateway builds.
    ///
    /// # Errors
    /// As [`RequestParts::base_over`].
    pub fn base(&self, covered: &RequestFields) -> Result<RequestBase, ProofError> {
        let present = self.headers.iter().map(|(name, _)| *name);
        self.base_over(RequestFields::of_request(covered, present))
    }

    /// The base over exactly `fields`: what a verifier rebuilds.
    ///
    /// # Errors
    /// [`ProofError::Method`] or [`ProofError::Target`] for what cannot be sent;
    /// [`ProofError::MissingRequestField`] when the request lacks a field or its value is not
    /// ASCII.
    pub fn base_over(&self, fields: RequestFields) -> Result<RequestBase, ProofError> {
        let mut text = self.fixed_lines()?;
        let mut components: Vec<&str> = COMPONENTS.to_vec();
        for name in fields.names() {
            let value = self.field_value(name)?;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\"{name}\": {value}");
            components.push(name);
        }
        let quoted: Vec<String> = components
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect();
        let list = quoted.join(" ");
        let _ = write!(
            text,
            "\"@signature-params\": ({list});tag=\"byzantine-request\""
        );
        let digest = Digest::of(text.as_bytes());
        Ok(RequestBase {
            text,
            digest,
            fields,
        })
    }

    fn fixed_lines(&self) -> Result<String, ProofError> {
        if !is_token(self.method) {
            return Err(ProofError::Method {
                method: self.method.chars().take(100).collect(),
            });
        }
        let path = if self.path.is_empty() { "/" } else { self.path };
        check_path(path)?;
        let query = self.query.unwrap_or_default();
        check_target(query)?;
        let content = Digest::of(self.body).to_base64();
        Ok(format!(
            "\"@method\": {}\n\"@path\": {path}\n\"@query\": ?{query}\n\
             \"idempotency-key\": {}\n\"content-digest\": sha-256=:{content}:\n",
            self.method, self.key,
        ))
    }

    /// The values of a field joined by RFC 9421 §2.1.
    fn field_value(&self, name: &str) -> Result<String, ProofError> {
        let missing = || ProofError::MissingRequestField {
            name: name.to_owned(),
        };
        let named = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let values: Vec<&[u8]> = named.map(|(_, value)| trim(value)).collect();
        if values.is_empty() {
            return Err(missing());
        }
        let joined = values.join(&b", "[..]);
        let ascii = joined
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        String::from_utf8(joined)
            .ok()
            .filter(|_| ascii)
            .ok_or_else(missing)
    }
}

fn check_path(path: &str) -> Result<(), ProofError> {
    let dots = path.split('/').any(is_dot_segment);
    if path.starts_with('/') && !path.contains('?') && !dots {
        check_target(path)
    } else {
        Err(ProofError::Target {
            target: path.chars().take(100).collect(),
        })
    }
}

fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    plain == "." || plain == ".."
}

/// Visible ASCII without a fragment.
fn check_target(target: &str) -> Result<(), ProofError> {
    if target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        Ok(())
    } else {
        Err(ProofError::Target {
            target: target.chars().take(100).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(headers: &[(&str, &[u8])], covered: &[&str]) -> Result<RequestBase, ProofError> {
        let key = IdempotencyKey::parse("8e03978e-40d5-43dd-bc93-6894a57f9324").unwrap();
        let parts = RequestParts {
            method: "POST",
            path: "/transfers",
            query: Some("a=1"),
            key: &key,
            body: b"{}",
            headers,
        };
        parts.base(&RequestFields::new(covered.iter().copied()).unwrap())
    }

    #[test]
    fn the_base_is_that_of_rfc_9421() {
        let headers: [(&str, &[u8]); 4] = [
            ("X-Tenant", b" a "),
            ("Content-Type", b"application/json"),
            ("x-tenant", b"b"),
            ("accept", b"*/*"),
        ];
        let expected = "\"@method\": POST\n\"@path\": /transfers\n\"@query\": ?a=1\n\
            \"idempotency-key\": \"8e03978e-40d5-43dd-bc93-6894a57f9324\"\n\
            \"content-digest\": sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:\n\
            \"content-type\": application/json\n\"x-tenant\": a, b\n\
            \"@signature-params\": (\"@method\" \"@path\" \"@query\" \"idempotency-key\" \
            \"content-digest\" \"content-type\" \"x-tenant\");tag=\"byzantine-request\"";
        let base = base(&headers, &["x-tenant"]).unwrap();
        assert_eq!(base.text, expected);
        assert_eq!(base.digest, Digest::of(expected.as_bytes()));
        assert_eq!(base.fields.to_string(), "content-type x-tenant");
    }

    #[test]
    fn absent_fields_and_bad_values_are_refused() {
        let refused = |result| matches!(result, Err(ProofError::MissingRequestField { .. }));
        assert!(refused(base(&[("content-type", "ä".as_bytes())], &[])));
        let key = IdempotencyKey::parse("k").unwrap();
        let (method, path, body, headers) = ("GET", "/", &b""[..], &[][..]);
        let parts = RequestParts {
            method,
            path,
            query: None,
            key: &key,
            body,
            headers,
        };
        assert!(refused(
            parts.base_over(RequestFields::parse("content-type").unwrap())
        ));
        assert!(
            parts
                .base(&RequestFields::default())
                .unwrap()
                .text
                .contains("\"@query\": ?\n")
        );
        let bad = [
            "*",
            "a",
            "/a b",
            "/a/../b",
            "/%2E%2e/b",
            "/./",
            "/ä",
            "/a#b",
            "/a?b",
            "/a\n",
        ];
        for path in bad {
            let refused = RequestParts { path, ..parts }.base(&RequestFields::default());
            assert!(matches!(refused, Err(ProofError::Target { .. })), "{path}");
        }
    }
}
