//! Who sends two RESULTs that differ: each replica may have heard another one first.
//!
//! Both are kept, and the one that completes a quorum counts; else a liar could leave some replicas
//! with a settled sequence and the rest unable to believe why, for ever. Two leaves with q RESULTs
//! each would still need more than f who sent two (2q − n > f), so no leaf is settled wrongly.

use std::collections::BTreeMap;

use byzantine_proof::ReplicaId;

use crate::limits::SECOND_RESULTS;
use crate::message::ResultVote;
use crate::signed::Verified;
use crate::slot::Slot;

impl Slot {
    /// Keeps the second RESULT of a sender. Where RESULTs settle nothing so far, it takes of each
    /// contradiction the side with which they do; `true` if there is such a choice.
    pub(crate) fn reconsider(&mut self, second: Verified<ResultVote>, quorum: usize) -> bool {
        let known = self.second_results.contains_key(&second.sender());
        if !known && self.second_results.len() >= SECOND_RESULTS {
            return false;
        }
        self.second_results.insert(second.sender(), second);
        let Some(run) = &self.run else {
            return false;
        };
        let settles = |results: &BTreeMap<ReplicaId, Verified<ResultVote>>| {
            run.settled_by_results(results, quorum).is_some()
        };
        if settles(&self.results) {
            return false;
        }
        let choices = 1_usize..1 << self.second_results.len();
        let Some(chosen) = choices.map(|it| self.chosen(it)).find(settles) else {
            return false;
        };
        // For good: what RESULTs have settled, no further one unsettles.
        self.results = chosen;
        true
    }

    /// The RESULTs, with the second ones of those senders whose bit is set.
    fn chosen(&self, choice: usize) -> BTreeMap<ReplicaId, Verified<ResultVote>> {
        let mut results = self.results.clone();
        let seconds = self.second_results.iter().enumerate();
        let chosen = seconds.filter(|(bit, _)| choice >> bit & 1 == 1);
        results.extend(chosen.map(|(_, (sender, result))| (*sender, result.clone())));
        results
    }
}
