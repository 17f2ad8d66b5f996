//! What may have been committed stays: no correct replica agrees to another batch for a sequence
//! in a later view. (OSDI'99 §4.5.1: a committed request keeps its number across views)

use std::collections::{BTreeMap, BTreeSet};

use byzantine_consensus::{Digest, Message, ReplicaId, Vote};

use super::{Checks, Violation};

/// The votes of correct replicas for one sequence.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    /// Who committed what, by view.
    committed: BTreeMap<(u64, Digest), BTreeSet<ReplicaId>>,
    /// What was agreed to, by view.
    agreed: BTreeSet<(u64, Digest)>,
}

impl Checks {
    /// A replica sends these votes.
    ///
    /// # Errors
    /// The promise that this breaks.
    pub fn ordered(&mut self, by: ReplicaId, messages: &[Message]) -> Result<(), Violation> {
        if !self.is_correct(by) {
            return Ok(());
        }
        for message in messages {
            match message {
                Message::PrePrepare(vote) | Message::Prepare(vote) => {
                    let ordered = self.ordered.entry(vote.sequence).or_default();
                    if ordered.agreed.insert((vote.view.0, vote.digest)) {
                        self.keeps_its_place(vote)?;
                    }
                }
                Message::Commit(vote) => {
                    let ordered = self.ordered.entry(vote.sequence).or_default();
                    let place = (vote.view.0, vote.digest);
                    ordered.committed.entry(place).or_default().insert(by);
                    self.keeps_its_place(vote)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// With the votes of those who break their word a quorum may have committed it.
    fn keeps_its_place(&self, vote: &Vote) -> Result<(), Violation> {
        let Some(ordered) = self.ordered.get(&vote.sequence) else {
            return Ok(());
        };
        let quorum = (self.members + self.tolerated + 2) / 2;
        let possible = ordered
            .committed
            .iter()
            .filter(|(_, by)| by.union(&self.faulty).count() >= quorum);
        for ((view, digest), _) in possible {
            let other = |(later, agreed): &&(u64, Digest)| later > view && agreed != digest;
            if let Some((later, _)) = ordered.agreed.iter().find(other) {
                let sequence = vote.sequence;
                let detail = format!(
                    "sequence {sequence} may have been committed in view {view}, and a correct \
                     replica agrees to another batch in view {later}"
                );
                return Err(Violation::new("order", detail));
            }
        }
        Ok(())
    }
}
