//! Requests as they are ordered: every byte that the app or the middleware will see.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_proof::{Client, Digest, IdempotencyKey, key_hash};

use crate::limits::REQUEST_BYTES;
use crate::types::RequestId;

/// Who chose the idempotency key; decides how long its answer is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum KeySource {
    /// The client sent it.
    Client,
    /// The gateway made it, since the client sent none.
    Gateway,
}

/// One HTTP request in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// The target in origin form: path and query.
    pub target: String,
    /// Forwarded header fields: lower-case names, in the order received.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Bytes,
    /// The idempotency key without quotes.
    pub key: String,
    /// Who chose the key.
    pub key_source: KeySource,
}

impl Request {
    /// The canonical bytes.
    pub fn encode(&self) -> Bytes {
        // Writing to memory cannot fail, and no length here reaches 2^32.
        Bytes::from(borsh::to_vec(self).expect("a request fits into memory"))
    }

    /// Reads canonical bytes; `None` for anything that `encode` would not have written.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode_with_key(bytes).map(|(request, _)| request)
    }

    /// The same, with what the key is remembered under.
    fn decode_with_key(bytes: &[u8]) -> Option<(Self, Digest)> {
        if bytes.len() > REQUEST_BYTES {
            return None;
        }
        let request: Self = borsh::from_slice(bytes).ok()?;
        let key_hash = request.key_hash().filter(|_| request.is_valid())?;
        Some((request, key_hash))
    }

    /// The name of this request.
    pub fn id(&self) -> RequestId {
        request_id(&self.encode())
    }

    /// What the key is remembered under. All anonymous clients share one name space.
    pub fn key_hash(&self) -> Option<Digest> {
        let key = IdempotencyKey::new(&self.key).ok()?;
        Some(key_hash(&Client::Anonymous, &key))
    }

    /// A pure function of the bytes, so that no two replicas judge a request differently. The key
    /// is judged beside it.
    fn is_valid(&self) -> bool {
        let token =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let value = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        token(&self.method)
            && token(&self.target)
            && self.target.starts_with('/')
            && self
                .headers
                .iter()
                .all(|(name, text)| token(name) && value(text))
    }
}

/// The request-id of canonical bytes.
pub fn request_id(bytes: &[u8]) -> RequestId {
    RequestId(Digest::tagged("byzantine-request/v1", &[bytes]))
}

/// A request that was decoded, with what is derived from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRequest {
    /// Its name.
    pub id: RequestId,
    /// What its key is remembered under.
    pub key_hash: Digest,
    /// Who chose the key.
    pub key_source: KeySource,
    /// The canonical bytes.
    pub bytes: Bytes,
}

impl KnownRequest {
    /// Decodes and names a request; `None` when it is not valid.
    pub fn parse(bytes: &Bytes) -> Option<Self> {
        let (request, key_hash) = Request::decode_with_key(bytes)?;
        Some(Self {
            id: request_id(bytes),
            key_hash,
            key_source: request.key_source,
            bytes: bytes.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            method: "POST".into(),
            target: "/transfers?x=1".into(),
            headers: vec![("content-type".into(), b"text/plain".to_vec())],
            body: Bytes::from_static(b"hello"),
            key: "k1".into(),
            key_source: KeySource::Client,
        }
    }

    #[test]
    fn it_returns_what_went_in_and_has_one_encoding() {
        let bytes = request().encode();
        assert_eq!(Request::decode(&bytes), Some(request()));
        let longer = [&bytes[..], b"x"].concat();
        assert_eq!(Request::decode(&longer), None);
        assert_eq!(Request::decode(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn every_part_is_in_the_name() {
        let id = request().id();
        let mut other = request();
        other.key_source = KeySource::Gateway;
        assert_ne!(other.id(), id);
        other = request();
        other.headers[0].1.push(b' ');
        assert_ne!(other.id(), id);
    }

    #[test]
    fn what_could_split_an_http_message_is_invalid() {
        for target in ["", "x", "/a b", "/a\r\nx: y"] {
            let bytes = Request {
                target: target.into(),
                ..request()
            }
            .encode();
            assert_eq!(Request::decode(&bytes), None, "{target:?}");
        }
        let mut hostile = request();
        hostile.headers[0].1 = b"a\r\nx: y".to_vec();
        assert_eq!(Request::decode(&hostile.encode()), None);
    }
}
