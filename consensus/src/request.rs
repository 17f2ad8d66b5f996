//! Requests as they are ordered: every byte that the app or the middleware will see.
//!
//! They are read where they lie: liars send much that only looks like a request, and a length that
//! is a lie must cost nothing.

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
        let parts = Parts::read(bytes)?;
        let headers = parts
            .headers
            .map(|(name, value)| (name.into(), value.into()));
        Some(Self {
            method: parts.method.into(),
            target: parts.target.into(),
            headers: headers.collect(),
            body: Bytes::copy_from_slice(parts.body),
            key: parts.key.as_str().into(),
            key_source: parts.key_source,
        })
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
        let parts = Parts::read(bytes)?;
        Some(Self {
            id: request_id(bytes),
            key_hash: key_hash(&Client::Anonymous, &parts.key),
            key_source: parts.key_source,
            bytes: bytes.clone(),
        })
    }
}

/// A valid request, borrowed from its canonical bytes: the Borsh encoding of [`Request`].
struct Parts<'a> {
    method: &'a str,
    target: &'a str,
    headers: Headers<'a>,
    body: &'a [u8],
    key: IdempotencyKey,
    key_source: KeySource,
}

impl<'a> Parts<'a> {
    /// A pure function of the bytes, so that no two replicas judge a request differently.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > REQUEST_BYTES {
            return None;
        }
        let mut reader = Reader(bytes);
        let method = reader.token()?;
        let target = reader.token().filter(|target| target.starts_with('/'))?;
        let headers = reader.headers()?;
        let body = reader.bytes()?;
        let key = IdempotencyKey::new(std::str::from_utf8(reader.bytes()?).ok()?).ok()?;
        let key_source = reader.key_source()?;
        let whole = reader.0.is_empty();
        whole.then_some(Self {
            method,
            target,
            headers,
            body,
            key,
            key_source,
        })
    }
}

/// What is left to read.
#[derive(Clone)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn count(&mut self) -> Option<usize> {
        let count = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(count)).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        self.take(length)
    }

    /// Visible ASCII, at least one character: nothing in it could split an HTTP message.
    fn token(&mut self) -> Option<&'a str> {
        let bytes = self.bytes()?;
        let visible = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
        std::str::from_utf8(bytes).ok().filter(|_| visible)
    }

    fn field(&mut self) -> Option<(&'a str, &'a [u8])> {
        let (name, value) = (self.token()?, self.bytes()?);
        let sound = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
        value.iter().all(sound).then_some((name, value))
    }

    fn headers(&mut self) -> Option<Headers<'a>> {
        let count = self.count()?;
        let headers = Headers(self.clone(), count);
        for _ in 0..count {
            self.field()?;
        }
        Some(headers)
    }

    fn key_source(&mut self) -> Option<KeySource> {
        match self.take(1)? {
            [0] => Some(KeySource::Client),
            [1] => Some(KeySource::Gateway),
            _ => None,
        }
    }
}

/// Header fields that were read once and found sound, and how many are left.
struct Headers<'a>(Reader<'a>, usize);

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.1 = self.1.checked_sub(1)?;
        self.0.field()
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
    fn it_is_as_long_as_the_limit_says_and_no_longer() {
        let with_body = |length| Request {
            body: Bytes::from(vec![0; length]),
            ..request()
        };
        let room = REQUEST_BYTES - with_body(0).encode().len();
        assert!(KnownRequest::parse(&with_body(room).encode()).is_some());
        assert!(KnownRequest::parse(&with_body(room + 1).encode()).is_none());
        assert!(KnownRequest::parse(&with_body(room + 2).encode()).is_none());
    }

    #[test]
    fn it_reads_what_borsh_writes_and_no_lie_about_a_length() {
        let bytes = request().encode();
        for place in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut other = bytes.to_vec();
                other[place] = value;
                let read = Request::decode(&other);
                let known = KnownRequest::parse(&Bytes::from(other.clone()));
                assert_eq!(known.is_some(), read.is_some(), "{place} {value}");
                if let Some(read) = read {
                    assert_eq!(borsh::from_slice::<Request>(&other).ok(), Some(read));
                }
            }
        }
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
