//! Signatures for tests: digests under a secret of the signer's, which no liar of a test asks for.
//! Hundreds of times as quick as curves; some schedules use those.

use byzantine_consensus::{Authority, Digest, ReplicaId};
use byzantine_proof::{Cosignature, Signature};

/// One member's seal, and those of the others to compare with.
pub struct Seals(pub ReplicaId);

impl Authority for Seals {
    fn sign(&self, digest: &Digest) -> Signature {
        seal(self.0, "vote", digest.as_bytes())
    }

    fn verify(&self, sender: ReplicaId, digest: &Digest, signature: &Signature) -> bool {
        *signature == seal(sender, "vote", digest.as_bytes())
    }

    fn cosign(&self, size: u64, root: &Digest, time_seconds: u64) -> Cosignature {
        Cosignature {
            time_seconds,
            signature: seal(self.0, "cosign", &checkpoint(size, root, time_seconds)),
        }
    }

    fn verify_cosignature(
        &self,
        cosigner: ReplicaId,
        size: u64,
        root: &Digest,
        cosignature: &Cosignature,
    ) -> bool {
        let signed = checkpoint(size, root, cosignature.time_seconds);
        cosignature.signature == seal(cosigner, "cosign", &signed)
    }
}

fn checkpoint(size: u64, root: &Digest, time_seconds: u64) -> Vec<u8> {
    let numbers = [size.to_be_bytes(), time_seconds.to_be_bytes()].concat();
    [&numbers, &root.as_bytes()[..]].concat()
}

fn seal(by: ReplicaId, purpose: &str, what: &[u8]) -> Signature {
    let half = *Digest::tagged(purpose, &[&[by.0], what]).as_bytes();
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&half);
    Signature::from_bytes(bytes)
}
