//! Strict reading of line texts: every accepted text has exactly one form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::Digest;
use crate::error::ProofError;
use crate::keys::PublicKey;

/// Numbers in proofs stay below 2^63, the limit of C2SP timestamps.
const LARGEST: u64 = i64::MAX as u64;

/// The LF-ended lines of a text, read one by one.
pub(crate) struct Lines<'a> {
    format: &'static str,
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// Starts at the first line of `text`.
    pub(crate) fn new(format: &'static str, text: &'a str) -> Self {
        Self {
            format,
            rest: text,
            line: 0,
        }
    }

    /// The next line without its LF; `expected` names it in the error.
    pub(crate) fn next(&mut self, expected: &'static str) -> Result<&'a str, ProofError> {
        self.line += 1;
        let (line, rest) = self
            .rest
            .split_once('\n')
            .ok_or_else(|| self.error(expected))?;
        self.rest = rest;
        Ok(line)
    }

    /// The next line must be `text`.
    pub(crate) fn exactly(&mut self, text: &'static str) -> Result<(), ProofError> {
        let line = self.next(text)?;
        if line == text {
            Ok(())
        } else {
            Err(self.error(text))
        }
    }

    /// The next line must be `<name> <value>`; returns the value.
    pub(crate) fn field(&mut self, name: &'static str) -> Result<&'a str, ProofError> {
        let line = self.next(name)?;
        let value = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '));
        value.ok_or_else(|| self.error(name))
    }

    /// The value of the next line `<name> <value>`, converted; `expected` names it in the error.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, ProofError> {
        let value = self.field(name)?;
        parse(value).ok_or_else(|| self.error(name))
    }

    /// The value of the next line `<name> <base64>`, or none for `<name> -`.
    pub(crate) fn digest_or_none(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Digest>, ProofError> {
        match self.field(name)? {
            "-" => Ok(None),
            text => digest(text).map(Some).ok_or_else(|| self.error(name)),
        }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    /// Nothing may be left.
    pub(crate) fn end(mut self) -> Result<(), ProofError> {
        self.line += 1;
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error("the end"))
        }
    }

    /// An error at the line read last.
    pub(crate) fn error(&self, expected: &'static str) -> ProofError {
        ProofError::Grammar {
            format: self.format,
            line: self.line,
            expected,
        }
    }
}

/// A decimal number without sign or leading zeroes, below 2^63.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = (canonical && digits).then(|| text.parse::<u64>().ok())??;
    (value <= LARGEST).then_some(value)
}

/// A canonical decimal that fits the wanted type.
pub(crate) fn small_decimal<T: TryFrom<u64>>(text: &str) -> Option<T> {
    T::try_from(decimal(text)?).ok()
}

/// Two values parted by one space.
pub(crate) fn pair(text: &str) -> Option<(&str, &str)> {
    text.split_once(' ')
}

/// A digest in base64.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    Digest::from_base64(text).ok()
}

/// A public key in base64.
pub(crate) fn public_key(text: &str) -> Result<PublicKey, ProofError> {
    PublicKey::from_base64(text)
}

/// Standard, padded base64.
pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Standard, padded base64 without stray bits; anything else is `None`.
pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    // The engine refuses stray bits itself; this holds whatever engine is configured.
    (STANDARD.encode(&bytes) == text).then_some(bytes)
}

/// Base64 of exactly `N` bytes.
pub(crate) fn base64_array<const N: usize>(text: &str) -> Result<[u8; N], ProofError> {
    let bytes = base64_decode(text).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(ProofError::Base64 { bytes: N })
}

/// Whether `name` is an RFC 9110 token in lower case.
pub(crate) fn is_lower_token(name: &str) -> bool {
    is_token(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether `name` is an RFC 9110 §5.6.2 token.
pub(crate) fn is_token(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_decimals_are_read() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("9223372036854775807"), Some(LARGEST));
        for bad in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "9223372036854775808",
            "1e3",
            "１",
        ] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
        assert_eq!(small_decimal::<u8>("256"), None);
    }

    #[test]
    fn only_canonical_base64_is_read() {
        assert_eq!(base64_decode("YQ=="), Some(b"a".to_vec()));
        for bad in ["YR==", "YQ=", "YQ", "YQ==\n", " YQ==", "Y Q=", "-_8="] {
            assert_eq!(base64_decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_end_with_a_line_feed() {
        let mut lines = Lines::new("test", "a 1\nb");
        assert_eq!(lines.field("a"), Ok("1"));
        assert!(lines.next("b").is_err());
    }
}
