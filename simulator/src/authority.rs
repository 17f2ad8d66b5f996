//! Signatures that nobody can forge: a table of what was signed, and by whom.
//!
//! A signature is its own text, and is valid if the table says that its key made it. So a liar
//! can sign what it wants with its own key, and nothing with another's. One run in a hundred uses
//! real keys instead. The table also tells the checkers every cosignature that was ever made.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, MutexGuard};

use byzantine_consensus::{Authority, Digest, Keys, ReplicaId};
use byzantine_proof::{Cosignature, Signature};

use crate::random::Mixer;

/// What was signed, by everyone.
#[derive(Debug, Default)]
pub struct Notary(Mutex<Table>);

#[derive(Debug, Default)]
#[allow(
    clippy::zero_sized_map_values,
    reason = "the entry tells in one look whether it is new"
)]
struct Table {
    signed: HashSet<[u8; 33], BuildHasherDefault<Mixer>>,
    cosigned: HashMap<[u8; 49], (), BuildHasherDefault<Mixer>>,
    /// Real signatures that were found valid: each is looked at once, not once a replica.
    valid: HashSet<([u8; 33], Signature), BuildHasherDefault<Mixer>>,
    valid_cosignatures: HashSet<([u8; 49], Signature), BuildHasherDefault<Mixer>>,
    fresh: Vec<Cosigned>,
}

/// One cosignature as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosigned {
    /// By whom.
    pub by: ReplicaId,
    /// Over how many leaves.
    pub size: u64,
    /// Over which root.
    pub root: Digest,
}

impl Notary {
    /// The cosignatures made since the last call.
    pub fn take_cosigned(&self) -> Vec<Cosigned> {
        std::mem::take(&mut self.table().fresh)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().expect("one thread alone uses the table")
    }
}

/// The keys of one replica.
pub struct Signer {
    own: ReplicaId,
    notary: Arc<Notary>,
    keys: Option<Keys>,
}

impl Signer {
    /// A key in the table, or a real one.
    pub fn new(own: ReplicaId, notary: Arc<Notary>, keys: Option<Keys>) -> Self {
        Self { own, notary, keys }
    }
}

impl Authority for Signer {
    fn sign(&self, digest: &Digest) -> Signature {
        if let Some(keys) = &self.keys {
            return keys.sign(digest);
        }
        let text = vote_text(self.own, digest);
        self.notary.table().signed.insert(text);
        padded(&text)
    }

    fn verify(&self, sender: ReplicaId, digest: &Digest, signature: &Signature) -> bool {
        let text = vote_text(sender, digest);
        if let Some(keys) = &self.keys {
            let seen = (text, *signature);
            if self.notary.table().valid.contains(&seen) {
                return true;
            }
            let valid = keys.verify(sender, digest, signature);
            if valid {
                self.notary.table().valid.insert(seen);
            }
            return valid;
        }
        *signature == padded(&text) && self.notary.table().signed.contains(&text)
    }

    fn cosign(&self, size: u64, root: &Digest, time_seconds: u64) -> Cosignature {
        let (by, root) = (self.own, *root);
        let mut table = self.notary.table();
        table.fresh.push(Cosigned { by, size, root });
        if let Some(keys) = &self.keys {
            return keys.cosign(size, &root, time_seconds);
        }
        let text = cosignature_text(by, size, &root, time_seconds);
        table.cosigned.insert(text, ());
        let signature = padded(&text);
        Cosignature {
            time_seconds,
            signature,
        }
    }

    fn verify_cosignature(
        &self,
        cosigner: ReplicaId,
        size: u64,
        root: &Digest,
        cosignature: &Cosignature,
    ) -> bool {
        let text = cosignature_text(cosigner, size, root, cosignature.time_seconds);
        if let Some(keys) = &self.keys {
            let seen = (text, cosignature.signature);
            if self.notary.table().valid_cosignatures.contains(&seen) {
                return true;
            }
            let valid = keys.verify_cosignature(cosigner, size, root, cosignature);
            if valid {
                self.notary.table().valid_cosignatures.insert(seen);
            }
            return valid;
        }
        cosignature.signature == padded(&text) && self.notary.table().cosigned.contains_key(&text)
    }
}

fn vote_text(sender: ReplicaId, digest: &Digest) -> [u8; 33] {
    let mut text = [0; 33];
    text[..32].copy_from_slice(digest.as_bytes());
    text[32] = sender.0;
    text
}

fn cosignature_text(by: ReplicaId, size: u64, root: &Digest, time: u64) -> [u8; 49] {
    let mut text = [0; 49];
    text[..32].copy_from_slice(root.as_bytes());
    text[32..40].copy_from_slice(&size.to_be_bytes());
    text[40..48].copy_from_slice(&time.to_be_bytes());
    text[48] = by.0;
    text
}

fn padded(text: &[u8]) -> Signature {
    let mut bytes = [0xb5; 64];
    bytes[..text.len()].copy_from_slice(text);
    Signature::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_of_a_key_can_sign_with_it() {
        let notary = Arc::new(Notary::default());
        let signer = |id| Signer::new(ReplicaId(id), Arc::clone(&notary), None);
        let (zero, one) = (signer(0), signer(1));
        let digest = Digest::of(b"x");
        let signature = zero.sign(&digest);
        assert!(one.verify(ReplicaId(0), &digest, &signature));
        assert!(!one.verify(ReplicaId(1), &digest, &signature));
        let forged = padded(&vote_text(ReplicaId(1), &digest));
        assert!(!zero.verify(ReplicaId(1), &digest, &forged));
    }

    #[test]
    fn a_cosignature_binds_size_root_and_time() {
        let notary = Arc::new(Notary::default());
        let signer = Signer::new(ReplicaId(0), Arc::clone(&notary), None);
        let root = Digest::of(b"root");
        let made = signer.cosign(3, &root, 9);
        assert!(signer.verify_cosignature(ReplicaId(0), 3, &root, &made));
        assert!(!signer.verify_cosignature(ReplicaId(0), 4, &root, &made));
        let later = Cosignature {
            time_seconds: 10,
            ..made
        };
        assert!(!signer.verify_cosignature(ReplicaId(0), 3, &root, &later));
        assert_eq!(notary.take_cosigned().len(), 1);
    }
}
