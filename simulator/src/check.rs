//! The checkers: what must hold in every world, however it was broken.
//!
//! Some look at each event as it happens, others at the end of a run. None asks the core what it
//! believes: they see what leaves the replicas, what the apps did, and what clients were told.

mod agreement;
mod blame;
mod cosignatures;
mod history;
mod linearizability;
mod order;
mod quotas;
mod verdicts;
mod votes;

use std::collections::{BTreeMap, BTreeSet};

use byzantine_consensus::{Digest, ReplicaId, RequestId, Sequence};

use crate::executor::Called;

pub use agreement::ledgers_agree;
pub use history::{Runs, witness};
pub use linearizability::linearizable;
pub use quotas::refusal;

use votes::Votes;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

impl Violation {
    /// A promise and what broke it.
    pub fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { invariant, detail }
    }
}

/// What the checkers have seen so far.
#[derive(Debug, Default)]
pub struct Checks {
    /// Replicas that may break their word: liars, and those whose disk went back unnoticed.
    pub faulty: BTreeSet<ReplicaId>,
    /// Replicas that f bounds: the faulty, and those that keep their word and cannot serve, since
    /// they are down for good or abstain.
    pub spent: BTreeSet<ReplicaId>,
    /// f.
    pub tolerated: usize,
    /// n.
    pub members: usize,
    votes: BTreeMap<ReplicaId, Votes>,
    ordered: BTreeMap<Sequence, order::Ordered>,
    results: BTreeMap<Sequence, BTreeMap<ReplicaId, Vec<Option<Digest>>>>,
    dispatched: BTreeMap<Sequence, Digest>,
    settled: BTreeMap<Sequence, agreement::Settled>,
    roots: BTreeMap<u64, cosignatures::Roots>,
    attested: BTreeMap<ReplicaId, cosignatures::Attested>,
    calls: BTreeMap<u64, RequestId>,
    runs: BTreeMap<RequestId, BTreeMap<u64, Called>>,
    let_in: quotas::LetIn,
    /// Whether apps may differ, so that an odd answer blames nobody.
    pub odd_apps: bool,
}

impl Checks {
    /// Whether this replica keeps its word.
    pub fn is_correct(&self, replica: ReplicaId) -> bool {
        !self.faulty.contains(&replica)
    }

    /// A correct replica's app was called.
    ///
    /// # Errors
    /// The promise that this breaks.
    pub fn called(&mut self, by: ReplicaId, calls: &[Called]) -> Result<(), Violation> {
        if !self.is_correct(by) {
            return Ok(());
        }
        for call in calls {
            let first = *self.calls.entry(call.ordinal).or_insert(call.id);
            let runs = self.runs.entry(call.id).or_default();
            let equal = *runs.entry(call.ordinal).or_insert(*call) == *call;
            // Only what was forgotten may run again.
            let mut pairs = runs.values().zip(runs.values().skip(1));
            let twice = pairs.any(|(before, after)| before.expires >= after.time);
            if first != call.id || !equal || twice {
                let (id, ordinal) = (call.id, call.ordinal);
                let detail = format!("replica {by} ran {id} as call {ordinal}, others did not");
                return Err(Violation::new("exactly-once", detail));
            }
        }
        Ok(())
    }
}
