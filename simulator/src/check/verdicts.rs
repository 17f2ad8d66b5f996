//! No client is told that apps differ where all of them said the same, but for f; and a correct
//! replica's RESULTs are what is compared.

use std::sync::Arc;

use byzantine_consensus::{Digest, Message, ReplicaId, Settlement};

use super::{Checks, Violation};

impl Checks {
    /// A replica says what its app answered.
    pub fn answered(&mut self, by: ReplicaId, messages: &[Message]) {
        if !self.is_correct(by) {
            return;
        }
        for message in messages {
            if let Message::Result(result) = message {
                let results = self.results.entry(result.sequence).or_default();
                results.insert(by, result.leaves.clone());
            }
        }
    }

    /// Verdicts stand only where they must, and agreed time goes forward, with the clocks.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn judged(&self, ledger: &[Arc<Settlement>], latest: u64) -> Result<(), Violation> {
        let mut before = 0;
        for settlement in ledger {
            let sequence = settlement.sequence;
            if settlement.time.0 < before || settlement.time.0 > latest {
                let time = settlement.time.0;
                let detail = format!("sequence {sequence} runs at {time}, after {before}");
                return Err(Violation::new("time", detail));
            }
            before = settlement.time.0;
            let answers = settlement.answers.iter().enumerate();
            for (index, _) in answers.filter(|(_, settled)| settled.answer.is_verdict()) {
                if self.is_needless(settlement, index) {
                    let detail = format!("sequence {sequence}, leaf {index}: all apps agreed");
                    return Err(Violation::new("needless-verdict", detail));
                }
            }
        }
        Ok(())
    }

    /// Whether n−f replicas that keep their word said the same.
    fn is_needless(&self, settlement: &Settlement, index: usize) -> bool {
        let results = self.results.get(&settlement.sequence).into_iter().flatten();
        let kept = results.filter(|(by, _)| self.is_correct(**by));
        let leaves = kept.filter_map(|(_, leaves)| leaves.get(index).copied().flatten());
        let leaves: Vec<Digest> = leaves.collect();
        let alike = |leaf: &Digest| leaves.iter().filter(|other| *other == leaf).count();
        let most = leaves.iter().map(alike).max().unwrap_or(0);
        most >= self.members - self.tolerated
    }
}
