//! C2SP signed notes: a checkpoint, the log's signature line and exactly k cosignature lines.
//!
//! C2SP wants a log signature beside the cosignatures. The one log key is derived publicly from
//! the origin: it authenticates nothing, and must never be given to public witnesses.

use std::fmt;

use crate::checkpoint::Checkpoint;
use crate::cosignature::{Cosignature, CosignerKey};
use crate::digest::Digest;
use crate::error::ProofError;
use crate::keys::{PublicKey, SecretKey, Signature};
use crate::membership::{Membership, ReplicaId};
use crate::service::Origin;
use crate::text::{base64_array, base64_decode, base64_encode};

/// The signature type of plain Ed25519 note signatures.
const LOG_ALGORITHM: u8 = 0x01;

/// C2SP signed-note guarantees this many lines.
const MAX_SIGNATURES: usize = 16;

const FORMAT: &str = "signed note";

/// The first four bytes of SHA-256(name, LF, type, key).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    pub(crate) fn of(name: &str, algorithm: u8, key: &PublicKey) -> Self {
        let digest = Digest::of_parts(&[name.as_bytes(), &[b'\n', algorithm], key.as_bytes()]);
        let [a, b, c, d, ..] = *digest.as_bytes();
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

pub(crate) fn verifier_key_text(name: &str, algorithm: u8, key: &PublicKey) -> String {
    let id = KeyId::of(name, algorithm, key);
    let material = base64_encode(&[&[algorithm], &key.as_bytes()[..]].concat());
    format!("{name}+{id}+{material}")
}

/// Reads `<name>+<id>+<base64>`, insisting on name, type and id.
pub(crate) fn parse_verifier_key(
    text: &str,
    name: &str,
    algorithm: u8,
) -> Result<PublicKey, ProofError> {
    let expected = "<origin>[/r<i>]+<key id>+<key>";
    let refused = || ProofError::Grammar {
        format: "verifier key",
        line: 1,
        expected,
    };
    let material = text.splitn(3, '+').nth(2).ok_or_else(refused)?;
    let [kind, key @ ..] = base64_array::<33>(material)?;
    let key = PublicKey::from_bytes(key)?;
    let exact = kind == algorithm && verifier_key_text(name, algorithm, &key) == text;
    if exact { Ok(key) } else { Err(refused()) }
}

/// The log key of an origin, which anybody can derive.
#[derive(Debug, Clone)]
pub struct LogKey {
    origin: Origin,
    secret: SecretKey,
    id: KeyId,
}

impl LogKey {
    /// Derives the key: seed = SHA-256("byzantine-log/v1", LF, origin, LF).
    pub fn derive(origin: &Origin) -> Self {
        let seed = Digest::of(format!("byzantine-log/v1\n{origin}\n").as_bytes());
        let secret = SecretKey::from_seed(seed.as_bytes());
        let id = KeyId::of(origin.as_str(), LOG_ALGORITHM, &secret.public_key());
        Self {
            origin: origin.clone(),
            secret,
            id,
        }
    }

    /// `<origin>+<key id>+<base64(type, key)>`, as policies write it.
    pub fn verifier_key(&self) -> String {
        verifier_key_text(
            self.origin.as_str(),
            LOG_ALGORITHM,
            &self.secret.public_key(),
        )
    }

    /// The log's signature line on a checkpoint.
    pub fn note_signature(&self, checkpoint: &Checkpoint) -> NoteSignature {
        let bytes = self
            .secret
            .sign(checkpoint.to_text().as_bytes())
            .as_bytes()
            .to_vec();
        NoteSignature {
            name: self.origin.to_string(),
            id: self.id,
            bytes,
        }
    }

    /// Whether `line` is a valid signature of this key on `checkpoint`.
    pub fn verifies(&self, line: &NoteSignature, checkpoint: &Checkpoint) -> bool {
        let named = line.name == self.origin.as_str() && line.id == self.id;
        let bytes: Result<[u8; 64], _> = line.bytes.as_slice().try_into();
        let (text, key) = (checkpoint.to_text(), self.secret.public_key());
        let valid = |bytes| key.verify_strict(text.as_bytes(), &Signature::from_bytes(bytes));
        named && bytes.is_ok_and(|bytes| valid(bytes).is_ok())
    }
}

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's identifier.
    pub id: KeyId,
    /// The signature in the form of its type.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let named = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
        let bytes = base64_decode(encoded)?;
        let (id, signature) = bytes.split_first_chunk()?;
        let whole = named && !signature.is_empty();
        let (name, bytes) = (name.to_owned(), signature.to_vec());
        whole.then_some(Self {
            name,
            id: KeyId(*id),
            bytes,
        })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = base64_encode(&[&self.id.0[..], &self.bytes].concat());
        writeln!(formatter, "— {} {encoded}", self.name)
    }
}

/// A checkpoint and its signature lines, none of them checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// The signed text.
    pub checkpoint: Checkpoint,
    /// The lines, in order; 1 to 16.
    pub signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Reads a signed checkpoint.
    ///
    /// # Errors
    /// [`ProofError::Grammar`], or as [`Checkpoint::parse`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let refused = |line| ProofError::Grammar {
            format: FORMAT,
            line,
            expected: "a checkpoint, an empty line and 1 to 16 signature lines",
        };
        let (body, lines) = text.split_once("\n\n").ok_or_else(|| refused(4))?;
        let checkpoint = Checkpoint::parse(&format!("{body}\n"))?;
        let lines = lines.strip_suffix('\n').ok_or_else(|| refused(5))?;
        let mut signatures = Vec::new();
        for (line, number) in lines.split('\n').zip(5..) {
            let signature = NoteSignature::parse(line).ok_or_else(|| refused(number))?;
            if signatures.len() == MAX_SIGNATURES {
                return Err(refused(number));
            }
            signatures.push(signature);
        }
        Ok(Self {
            checkpoint,
            signatures,
        })
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.checkpoint)?;
        self.signatures
            .iter()
            .try_for_each(|line| line.fmt(formatter))
    }
}

/// A checkpoint with exactly k valid cosignatures, those of the lowest replicas that have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: SignedNote,
    signers: Vec<ReplicaId>,
}

impl SignedCheckpoint {
    /// Checks cosignatures and keeps k of them, by replica. Invalid ones are passed over, as are
    /// later ones of the same replica.
    ///
    /// # Errors
    /// [`ProofError::ForeignOrigin`], or [`ProofError::TooFewCosignatures`] when fewer than k
    /// are valid.
    pub fn assemble(
        membership: &Membership,
        checkpoint: Checkpoint,
        cosignatures: &[(ReplicaId, Cosignature)],
    ) -> Result<Self, ProofError> {
        let valid = |key: &CosignerKey, cosigned: &Cosignature| {
            cosigned.verify(key.public_key(), &checkpoint).is_ok()
        };
        let lines = lines(membership, cosignatures, valid);
        Self::of_lines(membership, checkpoint, lines)
    }

    /// As [`assemble`](Self::assemble), of cosignatures that the caller has checked already.
    ///
    /// # Errors
    /// As those of [`assemble`](Self::assemble).
    pub fn of_checked(
        membership: &Membership,
        checkpoint: Checkpoint,
        cosignatures: &[(ReplicaId, Cosignature)],
    ) -> Result<Self, ProofError> {
        let lines = lines(membership, cosignatures, |_, _| true);
        Self::of_lines(membership, checkpoint, lines)
    }

    fn of_lines(
        membership: &Membership,
        checkpoint: Checkpoint,
        lines: Vec<(ReplicaId, NoteSignature)>,
    ) -> Result<Self, ProofError> {
        if &checkpoint.origin != membership.origin() {
            let expected = membership.origin().to_string();
            let found = checkpoint.origin.to_string();
            return Err(ProofError::ForeignOrigin { expected, found });
        }
        let (found, needed) = (lines.len(), membership.reply_quorum());
        if found < needed {
            return Err(ProofError::TooFewCosignatures { found, needed });
        }
        let log = LogKey::derive(&checkpoint.origin).note_signature(&checkpoint);
        let (signers, kept): (Vec<_>, Vec<_>) = lines.into_iter().take(needed).unzip();
        let signatures = std::iter::once(log).chain(kept).collect();
        Ok(Self {
            note: SignedNote {
                checkpoint,
                signatures,
            },
            signers,
        })
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.note.checkpoint
    }

    /// The note, as it stands in a proof and at `/checkpoint`.
    pub fn note(&self) -> &SignedNote {
        &self.note
    }

    /// Who cosigned, ascending.
    pub fn signers(&self) -> &[ReplicaId] {
        &self.signers
    }
}

/// The first acceptable cosignature of each member, ascending, as lines of a note.
fn lines(
    membership: &Membership,
    cosignatures: &[(ReplicaId, Cosignature)],
    accepts: impl Fn(&CosignerKey, &Cosignature) -> bool,
) -> Vec<(ReplicaId, NoteSignature)> {
    let line = |id| {
        let key: CosignerKey = membership.cosigner(id)?;
        let mut own = cosignatures.iter().filter(|(replica, _)| *replica == id);
        let (_, valid) = own.find(|(_, cosigned)| accepts(&key, cosigned))?;
        Some((id, key.note_signature(valid)))
    };
    membership.ids().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::tests::{membership, secret};

    fn cosigned(replicas: &[u8]) -> (Membership, Checkpoint, Vec<(ReplicaId, Cosignature)>) {
        let membership = membership(4, 1, 3).unwrap();
        let origin = membership.origin().clone();
        let checkpoint = Checkpoint {
            origin,
            size: 9,
            root: Digest::of(b"r"),
        };
        let cosign = |id| Cosignature::cosign(&secret(1, id), &checkpoint, 100);
        let list = replicas
            .iter()
            .map(|&id| (ReplicaId(id), cosign(id)))
            .collect();
        (membership, checkpoint, list)
    }

    #[test]
    fn exactly_k_cosignatures_are_kept_in_order() {
        let (membership, checkpoint, list) = cosigned(&[3, 1, 1, 2, 0]);
        let signed = SignedCheckpoint::assemble(&membership, checkpoint, &list).unwrap();
        assert_eq!(signed.signers(), [ReplicaId(0), ReplicaId(1), ReplicaId(2)]);
        let text = signed.note().to_string();
        assert_eq!(SignedNote::parse(&text).as_ref(), Ok(signed.note()));
        assert_eq!(text.lines().count(), 4 + 4);
    }

    #[test]
    fn a_bad_cosignature_counts_for_nothing() {
        let (membership, checkpoint, mut list) = cosigned(&[0, 1, 2]);
        list[1].1.time_seconds += 1;
        let few = SignedCheckpoint::assemble(&membership, checkpoint.clone(), &list);
        assert_eq!(
            few,
            Err(ProofError::TooFewCosignatures {
                found: 2,
                needed: 3
            })
        );
        list[1] = (ReplicaId(1), list[0].1);
        assert!(SignedCheckpoint::assemble(&membership, checkpoint, &list).is_err());
    }

    #[test]
    fn the_log_key_is_the_same_for_everybody() {
        let (_, checkpoint, _) = cosigned(&[]);
        let line = LogKey::derive(&checkpoint.origin).note_signature(&checkpoint);
        assert!(LogKey::derive(&checkpoint.origin).verifies(&line, &checkpoint));
        let other = Checkpoint {
            size: 10,
            ..checkpoint
        };
        assert!(!LogKey::derive(&other.origin).verifies(&line, &other));
    }

    #[test]
    fn malformed_notes_are_refused() {
        let (membership, checkpoint, list) = cosigned(&[0, 1, 2]);
        let signed = SignedCheckpoint::assemble(&membership, checkpoint, &list).unwrap();
        let text = signed.note().to_string();
        let lines = text.lines().last().unwrap();
        let many = format!("{text}{}", format!("{lines}\n").repeat(13));
        let hyphen = text.replace("— ", "- ");
        for bad in [
            &text[..text.len() - 1],
            &format!("{text}\n"),
            &many,
            &hyphen,
            "a\n\nb\n",
        ] {
            assert!(SignedNote::parse(bad).is_err(), "{bad}");
        }
    }
}
