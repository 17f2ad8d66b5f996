//! C2SP tlog-proof@v1: leaf, field block, inclusion path and cosigned checkpoint in one text.

use crate::digest::Digest;
use crate::error::ProofError;
use crate::fields::FieldBlock;
use crate::leaf::ResponseLeaf;
use crate::note::{SignedCheckpoint, SignedNote};
use crate::text::{Lines, base64_decode, base64_encode, decimal, digest};

/// The longest proof in bytes: leaf and field block at their limits, 63 hashes, 16 signatures.
const MAX_PROOF_BYTES: usize = 20 * 1024;

/// No tree is deeper.
const MAX_PATH: usize = 63;

const FORMAT: &str = "tlog-proof";

/// A proof, parsed; nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// The leaf's text.
    pub leaf: String,
    /// The field block's text.
    pub fields: String,
    /// The leaf's place in the tree.
    pub index: u64,
    /// The siblings from the leaf to the root.
    pub path: Vec<Digest>,
    /// The cosigned checkpoint.
    pub note: SignedNote,
}

impl TlogProof {
    /// Joins the parts.
    pub fn new(
        leaf: &ResponseLeaf,
        fields: &FieldBlock,
        index: u64,
        path: Vec<Digest>,
        checkpoint: &SignedCheckpoint,
    ) -> Self {
        let (leaf, fields) = (leaf.to_text(), fields.to_text());
        Self {
            leaf,
            fields,
            index,
            path,
            note: checkpoint.note().clone(),
        }
    }

    /// Reads a proof; only the exact form that [`TlogProof::to_text`] writes is accepted.
    ///
    /// # Errors
    /// [`ProofError::TooLong`], [`ProofError::Grammar`], or as [`SignedNote::parse`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_PROOF_BYTES {
            let (length, limit) = (text.len(), MAX_PROOF_BYTES);
            return Err(ProofError::TooLong {
                format: FORMAT,
                length,
                limit,
            });
        }
        let mut lines = Lines::new(FORMAT, text);
        lines.exactly("c2sp.org/tlog-proof@v1")?;
        let (leaf, fields) = lines.parsed("extra", extra)?;
        let index = lines.parsed("index", decimal)?;
        let mut path = Vec::new();
        loop {
            let line = lines.next("a hash or an empty line")?;
            if line.is_empty() {
                break;
            }
            let hash = digest(line).filter(|_| path.len() < MAX_PATH);
            path.push(hash.ok_or_else(|| lines.error("at most 63 hashes"))?);
        }
        let note = SignedNote::parse(lines.rest())?;
        Ok(Self {
            leaf,
            fields,
            index,
            path,
            note,
        })
    }

    /// The text, for a `.tlog-proof` file or the header.
    pub fn to_text(&self) -> String {
        let extra = base64_encode(format!("{}\n{}", self.leaf, self.fields).as_bytes());
        let hashes: String = self
            .path
            .iter()
            .map(|hash| hash.to_base64() + "\n")
            .collect();
        let index = self.index;
        format!(
            "c2sp.org/tlog-proof@v1\nextra {extra}\nindex {index}\n{hashes}\n{}",
            self.note
        )
    }
}

/// The leaf and the field block, parted by the first empty line.
fn extra(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(base64_decode(encoded)?).ok()?;
    let (leaf, fields) = text.split_once("\n\n")?;
    Some((format!("{leaf}\n"), fields.to_owned()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::cosignature::Cosignature;
    use crate::leaf;
    use crate::membership::tests::{membership, secret};
    use crate::request_fields::RequestFields;
    use crate::tree::Frontier;

    pub(crate) fn proof() -> TlogProof {
        let membership = membership(4, 1, 3).unwrap();
        let origin = membership.origin().clone();
        let headers = [("content-type", &b"text/plain"[..])];
        let fields = FieldBlock::build(RequestFields::default(), headers).unwrap();
        let digest = fields.digest();
        let leaf = ResponseLeaf {
            origin: origin.clone(),
            fields: digest,
            ..leaf::tests::leaf()
        };
        let mut tree = Frontier::new();
        let sibling = Digest::of(b"sibling");
        tree.append(leaf.hash());
        tree.append(sibling);
        let checkpoint = Checkpoint {
            origin,
            size: 2,
            root: tree.root(),
        };
        let cosign = |id: crate::ReplicaId| {
            (
                id,
                Cosignature::cosign(&secret(1, id.0), &checkpoint, 1_795_000_000),
            )
        };
        let cosigned: Vec<_> = membership.ids().map(cosign).collect();
        let signed = SignedCheckpoint::assemble(&membership, checkpoint.clone(), &cosigned);
        TlogProof::new(&leaf, &fields, 0, vec![sibling], &signed.unwrap())
    }

    #[test]
    fn the_text_returns() {
        let proof = proof();
        assert_eq!(TlogProof::parse(&proof.to_text()), Ok(proof));
    }

    #[test]
    fn other_forms_are_refused() {
        let text = proof().to_text();
        let swaps = [
            ("@v1", "@v2"),
            ("index 0", "index 00"),
            ("index 0", "index"),
            ("extra ", ""),
        ];
        for (from, to) in swaps {
            assert!(
                TlogProof::parse(&text.replacen(from, to, 1)).is_err(),
                "{to}"
            );
        }
        assert!(TlogProof::parse(&format!("{text}\n")).is_err());
        assert!(TlogProof::parse(&text.replace('\n', "\r\n")).is_err());
        let hash = format!("{}\n", Digest::of(b"sibling").to_base64());
        assert!(TlogProof::parse(&text.replace(&hash, &hash.repeat(64))).is_err());
        assert!(TlogProof::parse(&"x".repeat(30_000)).is_err());
    }
}
