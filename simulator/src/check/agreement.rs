//! Agreement: one batch and one list of leaves a sequence among correct replicas, ever; ledgers
//! that are prefixes of one another; and every certifiable root one of that ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use byzantine_consensus::{Digest, ReplicaId, Sequence, Settlement};
use byzantine_proof::tree::{Frontier, leaf_hash};

use super::{Checks, Violation};
use crate::ledger::Ledger;

/// What a correct replica settled at a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    root: Digest,
    size: u64,
}

impl Checks {
    /// A replica handed these batches to its app.
    ///
    /// # Errors
    /// The promise that this breaks.
    pub fn dispatched(
        &mut self,
        by: ReplicaId,
        batches: &[(Sequence, Digest)],
    ) -> Result<(), Violation> {
        if !self.is_correct(by) {
            return Ok(());
        }
        for (sequence, digest) in batches {
            let first = *self.dispatched.entry(*sequence).or_insert(*digest);
            if first != *digest {
                let detail = format!("replica {by} runs another batch at sequence {sequence}");
                return Err(Violation::new("agreement", detail));
            }
        }
        Ok(())
    }

    /// A replica wrote these sequences to its ledger.
    ///
    /// # Errors
    /// The promise that this breaks.
    pub fn settled(&mut self, by: ReplicaId, settled: &[Settlement]) -> Result<(), Violation> {
        if !self.is_correct(by) {
            return Ok(());
        }
        for settlement in settled {
            let ours = Settled {
                root: settlement.root,
                size: settlement.size,
            };
            let first = *self.settled.entry(settlement.sequence).or_insert(ours);
            if first != ours {
                let sequence = settlement.sequence;
                let detail = format!("replica {by} settled otherwise at sequence {sequence}");
                return Err(Violation::new("agreement", detail));
            }
        }
        Ok(())
    }
}

/// The ledgers of correct replicas are one, and no proof exists for anything else.
///
/// # Errors
/// The promise that is broken.
pub fn ledgers_agree(
    checks: &Checks,
    ledgers: &[(ReplicaId, &Ledger)],
) -> Result<Vec<Arc<Settlement>>, Violation> {
    let longest = ledgers
        .iter()
        .max_by_key(|(_, ledger)| ledger.entries().len());
    let longest = longest
        .map(|(_, ledger)| ledger.entries().to_vec())
        .unwrap_or_default();
    for (replica, ledger) in ledgers {
        for (ours, theirs) in ledger.entries().iter().zip(&longest) {
            let equal = Arc::ptr_eq(ours, theirs) || same(ours, theirs);
            if !equal {
                let detail = format!("replica {replica} differs at sequence {}", ours.sequence);
                return Err(Violation::new("ledgers-equal", detail));
            }
        }
    }
    certified_roots_are_ours(checks, &longest)?;
    Ok(longest)
}

/// Everything but the commit certificates, which may be of different replicas.
fn same(one: &Settlement, other: &Settlement) -> bool {
    one.sequence == other.sequence
        && one.time == other.time
        && one.batch == other.batch
        && one.requests == other.requests
        && one.answers == other.answers
        && one.batch_leaf == other.batch_leaf
        && (one.size, one.root, one.ordinal) == (other.size, other.root, other.ordinal)
}

fn certified_roots_are_ours(checks: &Checks, longest: &[Arc<Settlement>]) -> Result<(), Violation> {
    let mut frontier = Frontier::new();
    let mut roots = BTreeMap::new();
    for settlement in longest {
        let answers = settlement.answers.iter();
        let leaves = answers.map(|settled| settled.answer.leaf_hash());
        for leaf in leaves.chain([leaf_hash(&settlement.batch_leaf)]) {
            frontier.append(leaf);
            roots.insert(frontier.size(), None);
        }
        roots.insert(frontier.size(), Some(frontier.root()));
    }
    for (size, root) in roots {
        let certified = checks.certifiable(size);
        if certified.is_some_and(|certified| Some(certified) != root) {
            let detail = format!("a root of size {size} has a proof and is in no ledger");
            return Err(Violation::new("one-certificate", detail));
        }
    }
    Ok(())
}
