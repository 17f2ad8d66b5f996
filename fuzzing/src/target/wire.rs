//! A frame has one form, and so have the messages of its envelope.

use byzantine_consensus::{Authority, Frame, open};
use byzantine_proof::{Cosignature, Digest, ReplicaId, SecretKey, Signature};

pub(super) fn check(bytes: &[u8]) {
    let Some(frame) = Frame::decode(bytes) else {
        return;
    };
    assert_eq!(&frame.encode()[..], bytes);
    if let Frame::Envelope { envelope, .. } = &frame {
        let origin = Digest::of(b"origin");
        if let Ok(messages) = open(&origin, envelope, &Credulous) {
            for (message, encoded) in messages.iter().zip(&envelope.messages) {
                assert_eq!(message.body().encode(), encoded);
            }
        }
    }
}

/// Believes every signature, so that what lies behind is read.
struct Credulous;

impl Authority for Credulous {
    fn sign(&self, digest: &Digest) -> Signature {
        SecretKey::from_seed(&[1; 32]).sign(digest.as_bytes())
    }

    fn verify(&self, _: ReplicaId, _: &Digest, _: &Signature) -> bool {
        true
    }

    fn cosign(&self, _: u64, _: &Digest, time_seconds: u64) -> Cosignature {
        let signature = self.sign(&Digest::of(b"checkpoint"));
        Cosignature {
            time_seconds,
            signature,
        }
    }

    fn verify_cosignature(&self, _: ReplicaId, _: u64, _: &Digest, _: &Cosignature) -> bool {
        true
    }
}
