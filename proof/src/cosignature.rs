//! C2SP tlog-cosignature v1: a replica's timestamped signature on a checkpoint.

use crate::checkpoint::Checkpoint;
use crate::error::ProofError;
use crate::keys::{PublicKey, SecretKey, Signature};
use crate::membership::ReplicaId;
use crate::note::{KeyId, NoteSignature, parse_verifier_key, verifier_key_text};
use crate::service::Origin;

/// The signature type of Ed25519 cosignatures (C2SP signed-note).
const ALGORITHM: u8 = 0x04;

/// The latest time that verifiers accept: C2SP demands that it stays below 2^63.
const MAX_TIME: u64 = i64::MAX as u64;

/// A cosignature, not yet known to be valid.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, borsh::BorshSerialize, borsh::BorshDeserialize,
)]
pub struct Cosignature {
    /// The agreed time of the last covered sequence, in whole seconds since 1970.
    pub time_seconds: u64,
    /// Ed25519 over the header, the time and the checkpoint's text.
    pub signature: Signature,
}

impl Cosignature {
    /// Cosigns `checkpoint` at `time_seconds`, which is below 2^63.
    pub fn cosign(key: &SecretKey, checkpoint: &Checkpoint, time_seconds: u64) -> Self {
        let signature = key.sign(message(checkpoint, time_seconds).as_bytes());
        Self {
            time_seconds,
            signature,
        }
    }

    /// Checks that `key` made this cosignature on `checkpoint`, at a time that others accept.
    ///
    /// # Errors
    /// [`ProofError::Signature`].
    pub fn verify(&self, key: &PublicKey, checkpoint: &Checkpoint) -> Result<(), ProofError> {
        if self.time_seconds > MAX_TIME {
            return Err(ProofError::Signature {
                key: key.to_base64(),
            });
        }
        let message = message(checkpoint, self.time_seconds);
        key.verify_strict(message.as_bytes(), &self.signature)
    }

    /// The 72 bytes of a `timestamped_signature`.
    pub fn to_bytes(&self) -> [u8; 72] {
        let mut bytes = [0; 72];
        bytes[..8].copy_from_slice(&self.time_seconds.to_be_bytes());
        bytes[8..].copy_from_slice(self.signature.as_bytes());
        bytes
    }

    /// Reads the 72 bytes of a `timestamped_signature`; `None` when the time reaches 2^63.
    pub fn from_bytes(bytes: &[u8; 72]) -> Option<Self> {
        let (time, signature) = bytes.split_first_chunk()?;
        let time_seconds = u64::from_be_bytes(*time);
        let signature = Signature::from_bytes(signature.try_into().ok()?);
        (time_seconds <= MAX_TIME).then_some(Self {
            time_seconds,
            signature,
        })
    }
}

fn message(checkpoint: &Checkpoint, time_seconds: u64) -> String {
    format!("cosignature/v1\ntime {time_seconds}\n{checkpoint}")
}

/// The key under which a replica cosigns, named `<origin>/r<i>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignerKey {
    replica: ReplicaId,
    name: String,
    key: PublicKey,
    id: KeyId,
}

impl CosignerKey {
    /// The cosigner of `replica` under `origin`.
    pub fn new(origin: &Origin, replica: ReplicaId, key: PublicKey) -> Self {
        let name = format!("{origin}/r{replica}");
        let id = KeyId::of(&name, ALGORITHM, &key);
        Self {
            replica,
            name,
            key,
            id,
        }
    }

    /// Reads the verifier key that [`CosignerKey::verifier_key`] writes.
    ///
    /// # Errors
    /// [`ProofError::Grammar`] when the name, the key id or the type is another's.
    pub fn parse(origin: &Origin, replica: ReplicaId, text: &str) -> Result<Self, ProofError> {
        let name = format!("{origin}/r{replica}");
        let key = parse_verifier_key(text, &name, ALGORITHM)?;
        Ok(Self::new(origin, replica, key))
    }

    /// Whose key it is.
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// `<origin>/r<i>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ed25519 key.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The four bytes that identify name, type and key in a signature line.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// `<name>+<key id>+<base64(type, key)>`, as policies write it.
    pub fn verifier_key(&self) -> String {
        verifier_key_text(&self.name, ALGORITHM, &self.key)
    }

    /// The signature line of a cosignature of this key.
    pub fn note_signature(&self, cosignature: &Cosignature) -> NoteSignature {
        let bytes = cosignature.to_bytes().to_vec();
        NoteSignature {
            name: self.name.clone(),
            id: self.id,
            bytes,
        }
    }

    /// Whether a signature line claims to be of this key.
    pub fn claims(&self, line: &NoteSignature) -> bool {
        line.name == self.name && line.id == self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn checkpoint() -> Checkpoint {
        let origin = Origin::parse("example.com/behind-the-sofa").unwrap();
        Checkpoint {
            origin,
            size: 7,
            root: Digest::of(b"root"),
        }
    }

    #[test]
    fn a_cosignature_binds_key_time_and_checkpoint() {
        let key = SecretKey::from_seed(&[1; 32]);
        let cosignature = Cosignature::cosign(&key, &checkpoint(), 1_679_315_147);
        assert!(cosignature.verify(&key.public_key(), &checkpoint()).is_ok());
        let later = Cosignature {
            time_seconds: 1_679_315_148,
            ..cosignature
        };
        assert!(later.verify(&key.public_key(), &checkpoint()).is_err());
        let other = Checkpoint {
            size: 8,
            ..checkpoint()
        };
        assert!(cosignature.verify(&key.public_key(), &other).is_err());
        let stranger = SecretKey::from_seed(&[2; 32]).public_key();
        assert!(cosignature.verify(&stranger, &checkpoint()).is_err());
    }

    #[test]
    fn bytes_return_and_times_stay_below_two_to_the_63() {
        let key = SecretKey::from_seed(&[1; 32]);
        let cosignature = Cosignature::cosign(&key, &checkpoint(), 5);
        let mut bytes = cosignature.to_bytes();
        assert_eq!(Cosignature::from_bytes(&bytes), Some(cosignature));
        bytes[0] = 0x80;
        assert_eq!(Cosignature::from_bytes(&bytes), None);
        let late = Cosignature::cosign(&key, &checkpoint(), 1 << 63);
        assert!(late.verify(&key.public_key(), &checkpoint()).is_err());
    }

    #[test]
    fn a_verifier_key_returns_and_belongs_to_one_replica() {
        let key = SecretKey::from_seed(&[1; 32]).public_key();
        let origin = checkpoint().origin;
        let cosigner = CosignerKey::new(&origin, ReplicaId(2), key);
        assert_eq!(cosigner.name(), "example.com/behind-the-sofa/r2");
        let text = cosigner.verifier_key();
        assert_eq!(
            CosignerKey::parse(&origin, ReplicaId(2), &text),
            Ok(cosigner)
        );
        assert!(CosignerKey::parse(&origin, ReplicaId(3), &text).is_err());
    }
}
