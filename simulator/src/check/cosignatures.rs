//! Cosignatures: a correct replica signs one root a size, and sizes never fall; and no two roots
//! of one size ever gather 2f+1 signers, liars included, whatever policy a client has.

use std::collections::{BTreeMap, BTreeSet};

use byzantine_consensus::{Digest, Message, ReplicaId};

use super::{Checks, Violation};
use crate::authority::Cosigned;

/// For one size: who signed which root.
pub(super) type Roots = BTreeMap<Digest, BTreeSet<ReplicaId>>;

/// The largest size that one replica signed, with its root.
pub(super) type Attested = (u64, BTreeMap<u64, Digest>);

impl Checks {
    /// These cosignatures were made.
    ///
    /// # Errors
    /// The promise that this breaks.
    pub fn cosigned(&mut self, made: &[Cosigned]) -> Result<(), Violation> {
        for cosigned in made {
            self.one_root_a_size(cosigned)?;
            self.one_certificate_a_size(cosigned)?;
        }
        Ok(())
    }

    /// A replica sends these messages.
    ///
    /// # Errors
    /// The promise that this breaks.
    pub fn attested(&mut self, by: ReplicaId, messages: &[Message]) -> Result<(), Violation> {
        let attestations = messages.iter().filter_map(|message| match message {
            Message::Attest(vote) if self.is_correct(by) => Some(Cosigned {
                by,
                size: vote.size,
                root: vote.root,
            }),
            _ => None,
        });
        let made: Vec<Cosigned> = attestations.collect();
        self.cosigned(&made)
    }

    fn one_root_a_size(&mut self, made: &Cosigned) -> Result<(), Violation> {
        if !self.is_correct(made.by) {
            return Ok(());
        }
        let (largest, roots) = self.attested.entry(made.by).or_default();
        let before = *roots.entry(made.size).or_insert(made.root);
        let (by, size) = (made.by, made.size);
        if before != made.root {
            let detail = format!("replica {by} cosigned two roots of size {size}");
            return Err(Violation::new("attest-once", detail));
        }
        if size < *largest {
            let detail = format!("replica {by} cosigned size {size} after size {largest}");
            return Err(Violation::new("attest-grows", detail));
        }
        *largest = size;
        Ok(())
    }

    fn one_certificate_a_size(&mut self, made: &Cosigned) -> Result<(), Violation> {
        let roots = self.roots.entry(made.size).or_default();
        roots.entry(made.root).or_default().insert(made.by);
        let least = 2 * self.tolerated + 1;
        let certified = roots.values().filter(|signers| signers.len() >= least);
        if certified.count() > 1 {
            let detail = format!("two roots of size {} have {least} cosignatures", made.size);
            return Err(Violation::new("one-certificate", detail));
        }
        Ok(())
    }

    /// The root of that size for which some client might take a proof.
    pub fn certifiable(&self, size: u64) -> Option<Digest> {
        let least = 2 * self.tolerated + 1;
        let roots = self.roots.get(&size)?;
        let mut certified = roots.iter().filter(|(_, signers)| signers.len() >= least);
        certified.next().map(|(root, _)| *root)
    }
}
