//! Ed25519 keys and signatures with one strict notion of validity.
//!
//! Validity must never differ between replicas or verifiers: keys of small order and
//! second encodings of a point are refused when read, and signatures are checked by
//! `verify_strict` one by one, never in batches.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::error::ProofError;
use crate::text::{base64_array, base64_encode};

/// An Ed25519 secret key; wiped from memory when dropped and never printed.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed (RFC 8032 §5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored where the key was made.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `message` (RFC 8032, deterministic).
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl Clone for SecretKey {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey(of {:?})", self.public_key())
    }
}

/// An Ed25519 public key that was checked when it was read. It keeps the point that its bytes stand
/// for, which takes a tenth of a verification to find.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Checks 32 bytes.
    ///
    /// # Errors
    /// [`ProofError::PublicKey`] off the curve, of small order, or with a y that is not reduced.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, ProofError> {
        let refused = || ProofError::PublicKey {
            key: base64_encode(&bytes),
        };
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| refused())?;
        let canonical = key.to_edwards().compress().to_bytes() == bytes;
        if key.is_weak() || !canonical {
            Err(refused())
        } else {
            Ok(Self(key))
        }
    }

    /// Reads standard, padded base64 and checks the key.
    ///
    /// # Errors
    /// [`ProofError::Base64`], or as [`PublicKey::from_bytes`].
    pub fn from_base64(text: &str) -> Result<Self, ProofError> {
        Self::from_bytes(base64_array(text)?)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Standard, padded base64: 44 characters.
    pub fn to_base64(self) -> String {
        base64_encode(self.as_bytes())
    }

    /// Checks a signature by the strict rules.
    ///
    /// # Errors
    /// [`ProofError::Signature`] when it does not verify.
    pub fn verify_strict(&self, message: &[u8], signature: &Signature) -> Result<(), ProofError> {
        let refused = || ProofError::Signature {
            key: self.to_base64(),
        };
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        let verified = self.0.verify_strict(message, &signature);
        verified.map_err(|_| refused())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_base64())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_base64()[..8])
    }
}

/// An Ed25519 signature, not yet known to be valid.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    borsh::BorshSerialize,
    borsh::BorshDeserialize,
)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Any 64 bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(&self.0[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_rfc_8032_section_7_1_test_1() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let mut bytes = [0; 32];
        hex::decode_to_slice(seed, &mut bytes).unwrap();
        let key = SecretKey::from_seed(&bytes);
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(hex::encode(key.public_key().as_bytes()), public);
        let signature = key.sign(b"");
        assert!(hex::encode(signature.as_bytes()).starts_with("e5564300c360ac729086e2cc806e828a"));
        assert!(key.public_key().verify_strict(b"", &signature).is_ok());
        assert!(key.public_key().verify_strict(b"x", &signature).is_err());
    }

    #[test]
    fn weak_and_ambiguous_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let order_eight = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        let mut eight = [0; 32];
        hex::decode_to_slice(order_eight, &mut eight).unwrap();
        // y = p + 3: the second encoding of y = 3, a point of large order.
        let mut unreduced = [0xff; 32];
        (unreduced[0], unreduced[31]) = (0xf0, 0x7f);
        for bad in [[0; 32], identity, eight, unreduced, [0xff; 32]] {
            assert!(PublicKey::from_bytes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let key = SecretKey::from_seed(&[7; 32]);
        assert!(!format!("{key:?}").contains("07070707"));
        assert_eq!(*key.seed(), [7; 32]);
    }
}
