//! How a proof travels: as an RFC 9651 Display String in `Byzantine-Proof`, or behind a `Link`.

use std::fmt::Write as _;

use sfv::{BareItem, Item, Parser};

use crate::digest::Digest;
use crate::error::ProofError;
use crate::fields::trim;

/// The response header that carries a proof.
pub const PROOF_HEADER: &str = "byzantine-proof";

/// The link relation of a proof that is too long for a header.
pub const PROOF_RELATION: &str = "https://byzantine.dev/rel/proof";

/// A longer header value travels as a link: common proxies buffer 4 kB of headers.
pub const MAX_INLINE_BYTES: usize = 3 * 1024;

/// The longest header value that is looked at.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// The value of [`PROOF_HEADER`] for a proof's text.
pub fn encode_header(proof: &str) -> String {
    let mut value = String::with_capacity(proof.len() + 128);
    value.push_str("%\"");
    for byte in proof.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' && byte != b'"' => value.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(value, "%{byte:02x}")),
        }
    }
    value.push('"');
    value
}

/// Reads a value of [`PROOF_HEADER`]; only the form that [`encode_header`] writes is accepted, so
/// that no byte of it can be changed unnoticed. Outer white space is no part of a field value.
///
/// # Errors
/// [`ProofError::Header`] or [`ProofError::TooLong`].
pub fn decode_header(value: &[u8]) -> Result<String, ProofError> {
    let value = trim(value);
    if value.len() > MAX_HEADER_BYTES {
        let (length, limit) = (value.len(), MAX_HEADER_BYTES);
        return Err(ProofError::TooLong {
            format: "Byzantine-Proof",
            length,
            limit,
        });
    }
    let item = Parser::new(value)
        .parse::<Item>()
        .map_err(|_| ProofError::Header)?;
    match item.bare_item {
        BareItem::DisplayString(text) if encode_header(&text).as_bytes() == value => Ok(text),
        _ => Err(ProofError::Header),
    }
}

/// Where the proof of a request can be fetched: the hash of client and key, in hexadecimal.
pub fn proof_path(key: &Digest) -> String {
    format!("/.well-known/byzantine/proof/{key}")
}

/// The value of the `Link` header that stands for a long proof.
pub fn proof_link(key: &Digest) -> String {
    format!("<{}>; rel=\"{PROOF_RELATION}\"", proof_path(key))
}

/// The target of a `Link` value as [`proof_link`] writes it.
pub fn linked_proof(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?;
    let (target, relation) = value.strip_prefix('<')?.split_once(">; rel=")?;
    let key = target.strip_prefix("/.well-known/byzantine/proof/")?;
    let exact = relation == format!("\"{PROOF_RELATION}\"") && Digest::from_hex(key).is_some();
    exact.then_some(target)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_a_display_string() {
        let value = encode_header("— 100% \"x\"\n");
        assert_eq!(value, "%\"%e2%80%94 100%25 %22x%22%0a\"");
        assert_eq!(
            decode_header(value.as_bytes()).as_deref(),
            Ok("— 100% \"x\"\n")
        );
    }

    #[test]
    fn every_other_form_is_refused() {
        let bad = [
            "",
            "x",
            "\"x\"",
            "%\"x",
            "%\"%0A\"",
            "%\"%41\"",
            "%\"x\";a=1",
            "%\"%ff\"",
            "%\"x\", %\"y\"",
            "%\"x\"y",
            ":YQ==:",
        ];
        for value in bad {
            assert!(decode_header(value.as_bytes()).is_err(), "{value}");
        }
        assert!(decode_header(&vec![b'x'; 40_000]).is_err());
    }

    #[test]
    fn links_are_recognised() {
        let key = Digest::of(b"key");
        let path = proof_path(&key);
        assert_eq!(
            linked_proof(proof_link(&key).as_bytes()),
            Some(path.as_str())
        );
        assert_eq!(linked_proof(b"</>; rel=\"next\""), None);
    }

    proptest! {
        #[test]
        fn any_text_returns(text in any::<String>()) {
            prop_assert_eq!(decode_header(encode_header(&text).as_bytes()), Ok(text));
        }
    }
}
