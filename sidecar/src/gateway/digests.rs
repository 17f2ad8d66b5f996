//! Digest fields beside the proof (RFC 9530): conveniences for clients that compare bodies.
//!
//! SHA-1 is collision-broken. It is told to clients that ask for it, always beside SHA-256, and
//! decides nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byzantine_proof::Digest;
use http::{HeaderMap, HeaderValue};
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use sha1::{Digest as _, Sha1};
use sha2::Sha512;

/// Which digests a client asked for in `Want-Repr-Digest`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WantedDigests {
    any: bool,
    sha_1: bool,
    sha_512: bool,
}

impl WantedDigests {
    /// Reads the request's fields; what is malformed asks for nothing.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all("want-repr-digest").iter();
        let joined = values
            .map(HeaderValue::as_bytes)
            .collect::<Vec<_>>()
            .join(&b", "[..]);
        let wanted = Parser::new(&joined)
            .parse::<Dictionary>()
            .unwrap_or_default();
        let asks = |name: &str| {
            wanted
                .iter()
                .any(|(key, entry)| key.as_str() == name && weighs(entry))
        };
        let any = wanted.iter().any(|(_, entry)| weighs(entry));
        Self {
            any,
            sha_1: asks("sha"),
            sha_512: asks("sha-512"),
        }
    }

    /// `Repr-Digest` for a whole representation, if anything was asked for.
    pub(super) fn repr_digest(self, content: &[u8]) -> Option<HeaderValue> {
        let mut digests = self.any.then(|| sha_256(content))?;
        if self.sha_512 {
            digests.push_str(&member("sha-512", &Sha512::digest(content)));
        }
        if self.sha_1 {
            digests.push_str(&member("sha", &Sha1::digest(content)));
        }
        HeaderValue::from_str(&digests).ok()
    }
}

/// `Unencoded-Digest` of a body that nothing encodes.
pub(super) fn unencoded_digest(content: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&sha_256(content)).ok()
}

fn sha_256(content: &[u8]) -> String {
    format!("sha-256=:{}:", Digest::of(content).to_base64())
}

fn member(name: &str, digest: &[u8]) -> String {
    format!(", {name}=:{}:", STANDARD.encode(digest))
}

/// A weight of 0 means "not acceptable" (RFC 9530 §4).
fn weighs(entry: &ListEntry) -> bool {
    let ListEntry::Item(item) = entry else {
        return false;
    };
    matches!(item.bare_item, BareItem::Integer(weight) if i64::from(weight) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(value: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("want-repr-digest", HeaderValue::from_static(value));
        let digest = WantedDigests::of(&headers).repr_digest(b"x")?;
        Some(digest.to_str().unwrap().to_owned())
    }

    #[test]
    fn sha_1_comes_only_when_asked_for_and_beside_sha_256() {
        let sha_256 = "sha-256=:LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=:";
        let sha_1 = ", sha=:EfatjsUqKYSrqv18O1FlA3hcIHI=:";
        assert_eq!(wanted("sha-256=1").unwrap(), sha_256);
        assert_eq!(wanted("sha=10").unwrap(), format!("{sha_256}{sha_1}"));
        assert!(!wanted("sha=0, sha-256=5").unwrap().contains(sha_1));
        assert!(wanted("sha-512=3").unwrap().contains("sha-512=:"));
        assert_eq!(WantedDigests::of(&HeaderMap::new()).repr_digest(b"x"), None);
        assert_eq!(wanted("((("), None);
    }
}
