//! The idempotency key of an incoming request: the client's, or a fresh one of the gateway's.
//!
//! A key that the gateway makes has 128 random bits, so it meets no other.

use byzantine_consensus::KeySource;
use byzantine_proof::IdempotencyKey;
use http::HeaderMap;

use crate::problem::{Problem, ProblemKind};

/// The request and response header that carries the key.
pub const KEY_HEADER: &str = "idempotency-key";

/// The client's key, or a fresh one where it sent none.
///
/// # Errors
/// [`ProblemKind::InvalidIdempotencyKey`] for a malformed key and for several keys, and
/// [`ProblemKind::NotAccepted`] if the operating system has no randomness to give.
pub fn key_of(headers: &HeaderMap) -> Result<(IdempotencyKey, KeySource), Problem> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let Some(value) = values.next() else {
        return fresh_key().map(|key| (key, KeySource::Gateway));
    };
    if values.next().is_some() {
        return Err(refused("There are several Idempotency-Key fields."));
    }
    let text = value
        .to_str()
        .map_err(|_| refused("The key is not ASCII."))?;
    let key = IdempotencyKey::parse(text).map_err(|error| refused(&error.to_string()))?;
    Ok((key, KeySource::Client))
}

fn fresh_key() -> Result<IdempotencyKey, Problem> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let detail = format!("The operating system gave no random bytes for a key: {error}.");
        Problem::new(ProblemKind::NotAccepted, detail)
    })?;
    IdempotencyKey::new(&hex::encode(bytes)).map_err(|error| refused(&error.to_string()))
}

fn refused(detail: &str) -> Problem {
    Problem::new(ProblemKind::InvalidIdempotencyKey, detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(keys: &[&'static str]) -> HeaderMap {
        let value = |key: &&'static str| {
            (
                http::HeaderName::from_static(KEY_HEADER),
                HeaderValue::from_static(key),
            )
        };
        keys.iter().map(value).collect()
    }

    #[test]
    fn the_clients_key_is_taken() {
        for sent in ["k-1", "\"k-1\""] {
            let (key, source) = key_of(&headers(&[sent])).unwrap();
            assert_eq!((key.as_str(), source), ("k-1", KeySource::Client));
        }
    }

    #[test]
    fn a_missing_key_is_made() {
        let (one, source) = key_of(&HeaderMap::new()).unwrap();
        let (two, _) = key_of(&HeaderMap::new()).unwrap();
        assert_eq!((one.as_str().len(), source), (32, KeySource::Gateway));
        assert_ne!(one, two);
    }

    #[test]
    fn malformed_and_double_keys_are_refused() {
        let bad = [&["a b"][..], &[""], &["\"a"], &["a", "a"], &["a, b"]];
        for keys in bad {
            let problem = key_of(&headers(keys)).unwrap_err();
            assert_eq!(problem.kind, ProblemKind::InvalidIdempotencyKey, "{keys:?}");
        }
    }
}
