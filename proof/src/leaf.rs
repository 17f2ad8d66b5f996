//! The response leaf: what a quorum says about one answered request.
//!
//! The text is ASCII with every line present and at most 1 kB long. It names neither a view nor
//! a gateway, so that all correct replicas write the same bytes.

use crate::digest::Digest;
use crate::error::ProofError;
use crate::idempotency_key::IdempotencyKey;
use crate::keys::PublicKey;
use crate::service::Origin;
use crate::text::{Lines, decimal, digest, pair, small_decimal};
use crate::tree;

/// The longest leaf in bytes.
pub const MAX_LEAF_BYTES: usize = 1024;

const FORMAT: &str = "response leaf";

/// Who decided the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeafKind {
    /// The app answered.
    App,
    /// The replicas' apps differed: a certified 502.
    Verdict,
    /// The key was used before with another request: a certified 422.
    Reused,
    /// A replicated quota is exhausted: a certified 429.
    Limit,
}

impl LeafKind {
    /// The word in the leaf.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Verdict => "verdict",
            Self::Reused => "reused",
            Self::Limit => "limit",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let kinds = [Self::App, Self::Verdict, Self::Reused, Self::Limit];
        kinds.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whose key space an idempotency key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// All requests without an RFC 9421 signature share one space.
    Anonymous,
    /// The signer of the request.
    Signer(PublicKey),
}

/// The `key` line's digest: SHA-256("byzantine-key/v1", LF, client, LF, key, LF).
pub fn key_hash(client: &Client, key: &IdempotencyKey) -> Digest {
    let client = match client {
        Client::Anonymous => "-".to_owned(),
        Client::Signer(key) => key.to_base64(),
    };
    Digest::of(format!("byzantine-key/v1\n{client}\n{}\n", key.as_str()).as_bytes())
}

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseLeaf {
    /// Which log.
    pub origin: Origin,
    /// The sequence number of the batch.
    pub sequence: u64,
    /// The place in the batch, from 0.
    pub index: u32,
    /// The agreed time, in milliseconds since 1970.
    pub time_ms: u64,
    /// Who decided the answer.
    pub kind: LeafKind,
    /// [`key_hash`] of client and idempotency key.
    pub key: Digest,
    /// Digest of the RFC 9421 signature base of the request.
    pub request: Digest,
    /// The status code, 200 to 999.
    pub status: u16,
    /// Digest of the field block.
    pub fields: Digest,
    /// The length of the body in bytes.
    pub content_length: u64,
    /// Digest of the body.
    pub content: Digest,
    /// What the app said its state is, if it did.
    pub state: Option<Digest>,
}

impl ResponseLeaf {
    /// Reads a leaf; only the exact form that [`ResponseLeaf::to_text`] writes is accepted.
    ///
    /// # Errors
    /// [`ProofError::Grammar`], [`ProofError::TooLong`] or [`ProofError::Origin`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_LEAF_BYTES {
            let (length, limit) = (text.len(), MAX_LEAF_BYTES);
            return Err(ProofError::TooLong {
                format: FORMAT,
                length,
                limit,
            });
        }
        let mut lines = Lines::new(FORMAT, text);
        lines.exactly("byzantine-response/v1")?;
        let origin = Origin::parse(lines.field("origin")?)?;
        let (sequence, index) = lines.parsed("seq", sequence_and_index)?;
        let time_ms = lines.parsed("time", decimal)?;
        let kind = lines.parsed("kind", LeafKind::parse)?;
        let key = lines.parsed("key", digest)?;
        let request = lines.parsed("request", digest)?;
        let status = lines.parsed("status", status)?;
        let fields = lines.parsed("fields", digest)?;
        let (content_length, content) = lines.parsed("content", length_and_digest)?;
        let state = lines.digest_or_none("state")?;
        lines.end()?;
        Ok(Self {
            origin,
            sequence,
            index,
            time_ms,
            kind,
            key,
            request,
            status,
            fields,
            content_length,
            content,
            state,
        })
    }

    /// The text that is hashed into the tree.
    pub fn to_text(&self) -> String {
        format!(
            "byzantine-response/v1\norigin {}\nseq {} {}\ntime {}\nkind {}\nkey {}\nrequest {}\n\
             status {}\nfields {}\ncontent {} {}\nstate {}\n",
            self.origin,
            self.sequence,
            self.index,
            self.time_ms,
            self.kind.as_str(),
            self.key.to_base64(),
            self.request.to_base64(),
            self.status,
            self.fields.to_base64(),
            self.content_length,
            self.content.to_base64(),
            self.state.map_or_else(|| "-".to_owned(), Digest::to_base64),
        )
    }

    /// The hash of the text in the tree.
    pub fn hash(&self) -> Digest {
        tree::leaf_hash(self.to_text().as_bytes())
    }
}

fn sequence_and_index(text: &str) -> Option<(u64, u32)> {
    let (sequence, index) = pair(text)?;
    Some((decimal(sequence)?, small_decimal(index)?))
}

fn length_and_digest(text: &str) -> Option<(u64, Digest)> {
    let (length, content) = pair(text)?;
    Some((decimal(length)?, digest(content)?))
}

fn status(text: &str) -> Option<u16> {
    small_decimal(text).filter(|status| (200..=999).contains(status))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn leaf() -> ResponseLeaf {
        ResponseLeaf {
            origin: Origin::parse("wallet.bank.example.org/0-0123456789abcdef").unwrap(),
            sequence: 1042,
            index: 3,
            time_ms: 1_795_000_000_123,
            kind: LeafKind::App,
            key: key_hash(&Client::Anonymous, &IdempotencyKey::parse("\"k\"").unwrap()),
            request: Digest::of(b"request"),
            status: 200,
            fields: Digest::of(b"fields"),
            content_length: 4,
            content: Digest::of(b"body"),
            state: None,
        }
    }

    #[test]
    fn the_text_returns_and_has_one_form() {
        for state in [None, Some(Digest::of(b"state"))] {
            let leaf = ResponseLeaf { state, ..leaf() };
            let text = leaf.to_text();
            assert_eq!(ResponseLeaf::parse(&text).as_ref(), Ok(&leaf));
            for place in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[place] ^= 1;
                let changed = String::from_utf8(bytes).unwrap();
                if let Ok(other) = ResponseLeaf::parse(&changed) {
                    assert_eq!(other.to_text(), changed, "accepted in a second form");
                }
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let text = leaf().to_text();
        let swaps = [
            ("seq 1042 3", "seq 1042"),
            ("seq 1042 3", "seq 01042 3"),
            ("kind app", "kind App"),
            ("status 200", "status 99"),
            ("status 200", "status 1000"),
            ("state -\n", "state -"),
            ("state -\n", "state -\n\n"),
            ("response/v1", "response/v2"),
        ];
        for (from, to) in swaps {
            assert!(
                ResponseLeaf::parse(&text.replace(from, to)).is_err(),
                "{to}"
            );
        }
        assert!(ResponseLeaf::parse(&"x".repeat(2000)).is_err());
    }

    #[test]
    fn key_spaces_are_apart() {
        let key = IdempotencyKey::parse("\"k\"").unwrap();
        let signer = crate::keys::SecretKey::from_seed(&[1; 32]).public_key();
        assert_ne!(
            key_hash(&Client::Anonymous, &key),
            key_hash(&Client::Signer(signer), &key)
        );
        let known = Digest::of(b"byzantine-key/v1\n-\nk\n");
        assert_eq!(key_hash(&Client::Anonymous, &key), known);
    }
}
