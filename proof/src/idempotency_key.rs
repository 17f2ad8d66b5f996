//! The `Idempotency-Key` request header (httpapi draft): a structured-field string.

use std::fmt;

use sfv::{BareItem, Item, Parser};

use crate::error::ProofError;

/// The longest key in characters.
const MAX_LENGTH: usize = 128;

/// A key that names one request of one client, whatever gateway it is sent to and however often.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a header value: a quoted RFC 9651 string without parameters, or a bare
    /// `[A-Za-z0-9._~-]{1,128}`, which means the same quoted.
    ///
    /// # Errors
    /// [`ProofError::IdempotencyKey`].
    pub fn parse(header: &str) -> Result<Self, ProofError> {
        if is_bare(header) {
            return Self::new(header);
        }
        let item = Parser::new(header)
            .parse::<Item>()
            .map_err(|_| ProofError::IdempotencyKey)?;
        match item.bare_item {
            BareItem::String(key) if item.params.is_empty() => Self::new(key.as_str()),
            _ => Err(ProofError::IdempotencyKey),
        }
    }

    /// A key of 1 to 128 printable ASCII characters, spaces among them.
    ///
    /// # Errors
    /// [`ProofError::IdempotencyKey`].
    pub fn new(key: &str) -> Result<Self, ProofError> {
        let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let fits = (1..=MAX_LENGTH).contains(&key.len());
        if fits && printable {
            Ok(Self(key.to_owned()))
        } else {
            Err(ProofError::IdempotencyKey)
        }
    }

    /// The key without quotes and escapes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The header value: quoted, with `"` and `\` escaped.
impl fmt::Display for IdempotencyKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(formatter, "\"{escaped}\"")
    }
}

fn is_bare(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_and_quoted_mean_the_same() {
        for text in ["abc-1", "\"abc-1\"", " \"abc-1\" "] {
            assert_eq!(
                IdempotencyKey::parse(text).unwrap().as_str(),
                "abc-1",
                "{text}"
            );
        }
        assert_eq!(
            IdempotencyKey::parse("1234").unwrap().to_string(),
            "\"1234\""
        );
        let escaped = IdempotencyKey::parse(r#""a\"\\b""#).unwrap();
        assert_eq!(escaped.as_str(), r#"a"\b"#);
        assert_eq!(escaped.to_string(), r#""a\"\\b""#);
    }

    #[test]
    fn other_values_are_refused() {
        let long = "a".repeat(129);
        let quoted = format!("\"{long}\"");
        let bad = [
            "",
            "\"\"",
            "a b",
            "\"a",
            "\"a\";b",
            "\"a\", \"b\"",
            "?1",
            ":YQ==:",
            "ä",
        ];
        for text in bad.into_iter().chain([long.as_str(), quoted.as_str()]) {
            assert!(IdempotencyKey::parse(text).is_err(), "{text}");
        }
    }
}
