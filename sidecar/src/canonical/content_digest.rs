//! The check of `Content-Digest` (RFC 9530 §2) against the body.

use bytes::Bytes;
use byzantine_proof::Digest;
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use sha2::{Digest as _, Sha512};

use crate::problem::{Problem, ProblemKind};

/// Compares every digest whose algorithm is known (sha-256, sha-512); others say nothing.
pub(super) fn check(headers: &[(String, Vec<u8>)], body: &Bytes) -> Result<(), Problem> {
    let named = headers.iter().filter(|(name, _)| name == "content-digest");
    let values: Vec<&[u8]> = named.map(|(_, value)| value.as_slice()).collect();
    if values.is_empty() {
        return Ok(());
    }
    let malformed = || refused("Content-Digest is no dictionary of byte sequences (RFC 9530 §2).");
    let joined = values.join(&b", "[..]);
    let digests = Parser::new(&joined)
        .parse::<Dictionary>()
        .map_err(|_| malformed())?;
    for (algorithm, entry) in digests {
        let ListEntry::Item(item) = entry else {
            return Err(malformed());
        };
        let BareItem::ByteSequence(claimed) = item.bare_item else {
            return Err(malformed());
        };
        if !matches(algorithm.as_str(), &claimed, body) {
            return Err(refused(&format!(
                "The {algorithm} of the {} body bytes that arrived \
                is not the one in Content-Digest.",
                body.len()
            )));
        }
    }
    Ok(())
}

fn matches(algorithm: &str, claimed: &[u8], body: &[u8]) -> bool {
    match algorithm {
        "sha-256" => claimed == Digest::of(body).as_bytes(),
        "sha-512" => claimed == &Sha512::digest(body)[..],
        _ => true,
    }
}

fn refused(detail: &str) -> Problem {
    Problem::new(ProblemKind::ContentDigestMismatch, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(values: &[&str]) -> bool {
        let headers: Vec<(String, Vec<u8>)> = values
            .iter()
            .map(|value| ("content-digest".to_owned(), value.as_bytes().to_vec()))
            .collect();
        check(&headers, &Bytes::new()).is_ok()
    }

    #[test]
    fn known_algorithms_are_compared() {
        let empty = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
        assert!(checked(&[]));
        assert!(checked(&[empty]));
        assert!(checked(&["md5=:AAAA:", empty]));
        for bad in [
            "sha-256=:AAAA:",
            "sha-512=:AAAA:",
            "sha-256=1",
            "sha-256=(:AAAA:)",
            "x y",
        ] {
            assert!(!checked(&[bad]), "{bad}");
            assert!(!checked(&[empty, bad]), "{bad}");
        }
    }
}
