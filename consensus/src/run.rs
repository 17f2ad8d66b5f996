//! The run of one committed batch: what makes leaves, what came back, what was settled.

use std::collections::BTreeMap;

use bytes::Bytes;
use byzantine_proof::{BatchLeaf, Digest, ReplicaId, tree::Frontier};

use crate::execution::{Answer, Outcome, SettledAnswer, Settlement, Verdict};
use crate::message::ResultVote;
use crate::sabotage::{Bug, is_on};
use crate::signed::Verified;
use crate::slot::Slot;
use crate::types::{RequestId, Sequence, UnixMillis};

/// One request that makes a leaf.
#[derive(Debug, Clone)]
pub(crate) struct RunItem {
    pub(crate) request_id: RequestId,
    pub(crate) key_hash: Digest,
    pub(crate) verdict: Verdict,
    pub(crate) gateway: ReplicaId,
    pub(crate) expires: UnixMillis,
}

/// A batch from its hand-over to the executor until it is stable.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) sequence: Sequence,
    pub(crate) time: UnixMillis,
    pub(crate) batch: Bytes,
    pub(crate) requests: Vec<Bytes>,
    pub(crate) items: Vec<RunItem>,
    pub(crate) batch_leaf: BatchLeaf,
    pub(crate) ordinal: u64,
    pub(crate) forgotten: Sequence,
    /// This replica's own outcomes, once its app answered.
    pub(crate) outcomes: Option<Vec<Outcome>>,
    /// The hashes of their leaves.
    pub(crate) own_leaves: Vec<Option<Digest>>,
    pub(crate) settled: Option<Settled>,
    /// What a RESOLVE decided: leaf by leaf, and the verdict where there is one.
    pub(crate) resolved: Option<Vec<(Digest, Option<Answer>)>>,
}

/// The leaves that were settled, and the tree as of the end of the sequence.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) leaves: Vec<Digest>,
    /// The answers behind the leaves, as far as they are here.
    pub(crate) answers: Vec<Option<Answer>>,
    /// The tree before the sequence.
    pub(crate) before: Frontier,
    pub(crate) size: u64,
    pub(crate) root: Digest,
    /// The inclusion path of the batch leaf.
    pub(crate) path: Vec<Digest>,
}

impl Settled {
    /// Whether a leaf says that the apps differed.
    pub(crate) fn is_verdict(&self, index: usize) -> bool {
        let answer = self.answers.get(index);
        answer.is_some_and(|answer| answer.as_ref().is_some_and(Answer::is_verdict))
    }
}

impl Run {
    /// Takes this replica's own outcomes; `false` when there are some, or they are not of this run.
    pub(crate) fn take_outcomes(&mut self, outcomes: Vec<Outcome>) -> bool {
        let wanted = self.outcomes.is_none() && self.items.len() == outcomes.len();
        if wanted {
            self.own_leaves = outcomes.iter().map(Outcome::leaf_hash).collect();
            self.outcomes = Some(outcomes);
        }
        wanted
    }

    /// The leaves, if a RESOLVE decided them, rule (iii), or else RESULTs do, unless this replica
    /// promised to wait for better.
    pub(crate) fn decided(&self, slot: &Slot, quorum: usize) -> Option<Vec<Digest>> {
        match &self.resolved {
            Some(resolved) => Some(resolved.iter().map(|(leaf, _)| *leaf).collect()),
            None if slot.promised && !is_on(Bug::PromiseBroken) => None,
            None => self.settled_by_results(&slot.results, quorum),
        }
    }

    /// Rule (i): per index the leaf that q RESULTs name; `None` while one index has none.
    /// Roots may differ: one liar must not hold up the leaves that it did not touch.
    pub(crate) fn settled_by_results(
        &self,
        results: &BTreeMap<ReplicaId, Verified<ResultVote>>,
        quorum: usize,
    ) -> Option<Vec<Digest>> {
        if results.len() < quorum && !self.items.is_empty() {
            return None;
        }
        let agreed = |index| leaf_with_quorum(results, index, quorum);
        (0..self.items.len()).map(agreed).collect()
    }

    /// Appends settled leaves and the batch leaf to the tree.
    pub(crate) fn settle(&mut self, leaves: Vec<Digest>, frontier: &mut Frontier) {
        let before = frontier.clone();
        for leaf in &leaves {
            frontier.append(*leaf);
        }
        // The batch leaf comes last, so its path is the left siblings: the frontier before it.
        let path = frontier.hashes().iter().rev().copied().collect();
        frontier.append(self.batch_leaf.hash());
        let mut answers: Vec<Option<Answer>> = vec![None; leaves.len()];
        let own = self.outcomes.iter().flatten().zip(&self.own_leaves);
        for ((place, leaf), (outcome, own)) in answers.iter_mut().zip(&leaves).zip(own) {
            if let Outcome::Answer(answer) = outcome
                && *own == Some(*leaf)
            {
                *place = Some(answer.clone());
            }
        }
        let verdicts = self.resolved.iter().flatten();
        for (place, (_, verdict)) in answers.iter_mut().zip(verdicts) {
            *place = place.take().or_else(|| verdict.clone());
        }
        let (size, root) = (frontier.size(), frontier.root());
        self.settled = Some(Settled {
            leaves,
            answers,
            before,
            size,
            root,
            path,
        });
    }

    /// The entry for the ledger; `None` while an answer is missing here.
    pub(crate) fn settlement(&self, commit_certificate: Bytes) -> Option<Settlement> {
        let settled = self.settled.as_ref()?;
        let answers = self
            .items
            .iter()
            .zip(&settled.answers)
            .map(|(item, answer)| {
                Some(SettledAnswer {
                    request_id: item.request_id,
                    key_hash: item.key_hash,
                    verdict: item.verdict,
                    gateway: item.gateway,
                    expires: item.expires,
                    answer: answer.clone()?,
                })
            });
        Some(Settlement {
            sequence: self.sequence,
            time: self.time,
            batch: self.batch.clone(),
            requests: self.requests.clone(),
            commit_certificate,
            answers: answers.collect::<Option<_>>()?,
            batch_leaf: Bytes::from(self.batch_leaf.to_text()),
            size_before: settled.before.size(),
            size: settled.size,
            root: settled.root,
            ordinal: self.ordinal,
            forgotten: self.forgotten,
        })
    }
}

/// A quorum is more than half of the members, so one pass finds the only leaf that may have it,
/// and another counts. (Boyer and Moore, MJRTY)
fn leaf_with_quorum(
    results: &BTreeMap<ReplicaId, Verified<ResultVote>>,
    index: usize,
    quorum: usize,
) -> Option<Digest> {
    let named = || {
        let leaves = results
            .values()
            .map(|result| result.body().leaves.get(index));
        leaves.filter_map(|leaf| leaf.copied().flatten())
    };
    let (mut candidate, mut lead) = (None, 0_usize);
    for leaf in named() {
        if lead == 0 {
            candidate = Some(leaf);
        }
        lead = if candidate == Some(leaf) {
            lead + 1
        } else {
            lead - 1
        };
    }
    candidate.filter(|leaf| named().filter(|named| named == leaf).count() >= quorum)
}
