//! SHA-256 digests, plain and tagged with the domain they belong to.

use std::cmp::Ordering;
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::error::ProofError;
use crate::text::{base64_array, base64_encode};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// SHA-256 of `parts` behind one another.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// SHA-256 of `tag` and `parts`, each behind its length as a big-endian `u64`. Two different
    /// lists never hash the same bytes, whatever they contain.
    pub fn tagged(tag: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in std::iter::once(tag.as_bytes()).chain(parts.iter().copied()) {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The first eight bytes, which tell nearly any two digests apart.
    fn head(&self) -> u64 {
        self.0
            .first_chunk()
            .map_or(0, |head| u64::from_be_bytes(*head))
    }

    /// A digest computed elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Standard, padded base64: 44 characters.
    pub fn to_base64(self) -> String {
        base64_encode(&self.0)
    }

    /// Reads standard, padded base64.
    ///
    /// # Errors
    /// [`ProofError::Base64`] unless it is the canonical form of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, ProofError> {
        base64_array(text).map(Self)
    }

    /// Reads 64 lower-case hexadecimal digits; anything else is `None`.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        (hex::encode(bytes) == text).then_some(Self(bytes))
    }
}

impl PartialOrd for Digest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By bytes, and quickly: maps by digest are looked into all the time.
impl Ord for Digest {
    fn cmp(&self, other: &Self) -> Ordering {
        let heads = self.head().cmp(&other.head());
        heads.then_with(|| self.0.cmp(&other.0))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(&self.0[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(Digest::of_parts(&[b"a", b"bc"]), Digest::of(b"abc"));
        assert_eq!(format!("{:?}", Digest::of(b"")), "e3b0c442");
    }

    #[test]
    fn tags_and_lengths_part_the_domains() {
        let tagged = Digest::tagged("t", &[b"ab", b"c"]);
        assert_ne!(tagged, Digest::tagged("t", &[b"a", b"bc"]));
        assert_ne!(tagged, Digest::tagged("ta", &[b"b", b"c"]));
        assert_ne!(Digest::tagged("t", &[]), Digest::tagged("t", &[b""]));
        let bytes = [&[0, 0, 0, 0, 0, 0, 0, 1][..], b"t"].concat();
        assert_eq!(Digest::tagged("t", &[]), Digest::of(&bytes));
    }

    #[test]
    fn they_are_in_the_order_of_their_bytes() {
        let bytes = |first, ninth, last| {
            let mut bytes = [0; 32];
            (bytes[0], bytes[8], bytes[31]) = (first, ninth, last);
            bytes
        };
        let ordered = [
            bytes(0, 0, 1),
            bytes(0, 0, 2),
            bytes(0, 1, 0),
            bytes(1, 0, 0),
        ];
        assert!(ordered.is_sorted() && ordered.map(Digest::from_bytes).is_sorted());
        let highest = Digest::from_bytes([0xff; 32]);
        assert!(
            ordered
                .map(Digest::from_bytes)
                .iter()
                .all(|it| *it < highest)
        );
        assert_eq!(highest.cmp(&highest), Ordering::Equal);
    }

    #[test]
    fn texts_return_what_went_in() {
        let digest = Digest::of(b"x");
        assert_eq!(Digest::from_base64(&digest.to_base64()), Ok(digest));
        assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
        assert_eq!(Digest::from_hex(&digest.to_string().to_uppercase()), None);
    }
}
