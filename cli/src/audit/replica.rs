//! One stopped replica's ledger.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use byzantine_consensus::{Certificate, Sequence};
use byzantine_proof::tree::{leaf_hash, verify_inclusion};
use byzantine_proof::{Checkpoint, Membership, ReplicaId};
use byzantine_sidecar::ledger::{Kept, Ledger};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::run::ReplicaDirectory;

/// Sequences read at a time.
const STRIDE: usize = 256;

/// An open ledger and whose it is.
pub(super) struct Audited {
    replica: usize,
    ledger: Ledger,
}

impl Audited {
    /// Opens the ledger of a replica; `None` where it never had one.
    pub(super) fn open(
        directory: &Path,
        replica: usize,
        membership: &Arc<Membership>,
    ) -> Result<Option<Self>, CliError> {
        let place = ReplicaDirectory(directory.join(format!("replica-{replica}")));
        let file = place.ledger().join("ledger.redb");
        if !file.exists() {
            return Ok(None);
        }
        let id = ReplicaId(u8::try_from(replica).unwrap_or(u8::MAX));
        let ledger = Ledger::open(&file, Arc::clone(membership), id)?;
        Ok(Some(Self { replica, ledger }))
    }

    pub(super) fn replica(&self) -> usize {
        self.replica
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Checks every checkpoint's signatures, and that every answer is in the newest one's tree.
    /// Returns how many checkpoints there are.
    pub(super) fn check(
        &self,
        membership: &Membership,
        findings: &mut Vec<String>,
    ) -> Result<u64, CliError> {
        let (mut from, mut position, mut checked, mut last) = (Sequence(1), 0, 0, None);
        loop {
            let entries = self.ledger.kept(from, STRIDE)?;
            if entries.is_empty() {
                return Ok(checked);
            }
            for entry in &entries {
                let certificate = &entry.certificate;
                if last != Some(certificate.sequence) {
                    self.check_certificate(membership, certificate, findings);
                    last = Some(certificate.sequence);
                    checked += 1;
                }
                self.check_answers(entry, position, findings)?;
                // Each sequence ends with its batch leaf.
                position += entry.answers.len() as u64 + 1;
            }
            from = Sequence(from.0 + entries.len() as u64);
        }
    }

    fn check_certificate(
        &self,
        membership: &Membership,
        certificate: &Certificate,
        findings: &mut Vec<String>,
    ) {
        let checkpoint = Checkpoint {
            origin: membership.origin().clone(),
            size: certificate.size,
            root: certificate.root,
        };
        let mut signers = std::collections::BTreeSet::new();
        for (id, cosignature) in &certificate.cosignatures {
            let member = membership.member(*id);
            if member
                .is_some_and(|member| cosignature.verify(&member.cosigner, &checkpoint).is_ok())
            {
                signers.insert(*id);
            }
        }
        let needed = membership.order_quorum().max(membership.reply_quorum());
        if signers.len() < needed {
            findings.push(format!(
                "replica {}: the checkpoint of sequence {} has {} valid signatures, {needed} are \
                 needed",
                self.replica,
                certificate.sequence.0,
                signers.len()
            ));
        }
    }

    fn check_answers(
        &self,
        entry: &Kept,
        position: u64,
        findings: &mut Vec<String>,
    ) -> Result<(), CliError> {
        for (place, settled) in (position..).zip(&entry.answers) {
            let answer = &settled.answer;
            let included = self.ledger.prove(answer, place)?.is_some_and(|proof| {
                let (size, root) = (proof.note.checkpoint.size, proof.note.checkpoint.root);
                verify_inclusion(leaf_hash(&answer.leaf), place, size, &proof.path, root)
            });
            if !included {
                findings.push(format!(
                    "replica {}: the answer at {place} is not in the tree that was signed",
                    self.replica
                ));
            }
        }
        Ok(())
    }

    pub(super) fn summary(&self) -> Value {
        let (size, root) = self.ledger.head();
        let sequence = self.ledger.tip().sequence.0;
        json!({
            "replica": self.replica, "sequence": sequence, "leaves": size, "root": root.to_base64(),
        })
    }
}

impl fmt::Display for Audited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, root) = self.ledger.head();
        let sequence = self.ledger.tip().sequence.0;
        write!(
            formatter,
            "replica {}: up to sequence {sequence}, {size} leaves, root {}",
            self.replica,
            root.to_base64()
        )
    }
}
