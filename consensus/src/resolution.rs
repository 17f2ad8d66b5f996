//! RESOLVE: what decides a sequence on which RESULTs cannot agree. (docs/protocol.md, "Divergence")
//!
//! Its validity and what it decides are functions of its bytes alone, never of what else a
//! replica holds: so all who execute it decide the same.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use byzantine_proof::{Digest, ReplicaId};

use crate::certificate::Judge;
use crate::message::{Message, Promise, ResultVote};
use crate::rejection::Rejection;
use crate::sabotage::{Bug, is_on};
use crate::signed::{SignedMessage, open_one};
use crate::types::Sequence;
use crate::verdict::Disagreement;

/// The system operation RESOLVE.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Resolution {
    /// The sequence that it settles.
    pub sequence: Sequence,
    /// How many leaves that sequence has.
    pub leaves: u32,
    /// Why.
    pub evidence: Evidence,
}

/// What a RESOLVE rests on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Evidence {
    /// RESULTs of distinct members, among them q with an equal leaf for every index.
    Results(Vec<SignedMessage>),
    /// PROMISEs of exactly n−f distinct members.
    Promises(Vec<SignedMessage>),
}

/// What becomes of one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This leaf.
    Leaf(Digest),
    /// No leaf can be known to be a correct replica's: a verdict.
    Verdict(Disagreement),
}

impl Resolution {
    /// Checks every signature and count, and tells what is decided, index by index.
    ///
    /// # Errors
    /// [`Rejection::Certificate`] and those of [`open_one`].
    pub(crate) fn decide(&self, judge: Judge<'_>) -> Result<Vec<Decision>, Rejection> {
        match &self.evidence {
            Evidence::Results(signed) => self.by_results(signed, judge),
            Evidence::Promises(signed) => self.by_promises(signed, judge),
        }
    }

    fn by_results(
        &self,
        signed: &[SignedMessage],
        judge: Judge<'_>,
    ) -> Result<Vec<Decision>, Rejection> {
        let read = |message: Message| match message {
            Message::Result(result) if result.sequence == self.sequence => Some(result),
            _ => None,
        };
        let results: Vec<ResultVote> = opened(signed, judge, read)?;
        let quorum = crate::certificate::order_quorum(judge.membership);
        let leaf = |index| {
            let named = results.iter().map(|result| leaf_at(&result.leaves, index));
            let (leaf, count) = most_named(named).ok_or(Rejection::Certificate)?;
            if count < quorum && !is_on(Bug::ResolveUnchecked) {
                return Err(Rejection::Certificate);
            }
            Ok(Decision::Leaf(leaf))
        };
        self.indices().map(leaf).collect()
    }

    /// The leaf with q; else the only one with f+1, which a correct replica's app gave; else a
    /// verdict. n−f PROMISEs leave at most 2f members who may have attested something else, too
    /// few for any policy k ≥ 2f+1.
    fn by_promises(
        &self,
        signed: &[SignedMessage],
        judge: Judge<'_>,
    ) -> Result<Vec<Decision>, Rejection> {
        let read = |message: Message| match message {
            Message::Promise(promise)
                if promise.sequence == self.sequence && promise.is_sound() =>
            {
                Some(promise)
            }
            _ => None,
        };
        let promises: Vec<Promise> = opened(signed, judge, read)?;
        let members = judge.membership;
        let few = usize::from(is_on(Bug::FewPromises));
        if promises.len() != (members.n() - members.f()).saturating_sub(few) {
            return Err(Rejection::Certificate);
        }
        let (quorum, weak) = (members.order_quorum(), members.f() + 1);
        let indices = self.indices();
        Ok(indices
            .map(|index| decide(&promises, index, quorum, weak))
            .collect())
    }

    fn indices(&self) -> std::ops::Range<usize> {
        0..usize::try_from(self.leaves).unwrap_or(0)
    }
}

/// The messages, if all are genuine, of the right kind and by distinct members.
fn opened<T>(
    signed: &[SignedMessage],
    judge: Judge<'_>,
    read: impl Fn(Message) -> Option<T>,
) -> Result<Vec<T>, Rejection> {
    let senders: BTreeSet<ReplicaId> = signed.iter().map(|message| message.sender).collect();
    if senders.len() != signed.len() || signed.len() > judge.membership.n() {
        return Err(Rejection::Certificate);
    }
    let open = |message: &SignedMessage| {
        let opened = open_one(judge.origin, message, judge.authority)?;
        read(opened.body().clone()).ok_or(Rejection::Certificate)
    };
    signed.iter().map(open).collect()
}

fn decide(promises: &[Promise], index: usize, quorum: usize, weak: usize) -> Decision {
    let counts = counts(
        promises
            .iter()
            .map(|promise| leaf_at(&promise.leaves, index)),
    );
    let with = |least: usize| {
        let mut enough = counts.iter().filter(move |(_, count)| **count >= least);
        let first = enough.next().map(|(leaf, _)| *leaf);
        first.filter(|_| enough.next().is_none())
    };
    let weak_leaf = || with(weak).filter(|_| !is_on(Bug::WeakLeafIgnored));
    match with(quorum).or_else(weak_leaf) {
        Some(leaf) => Decision::Leaf(leaf),
        None => Decision::Verdict(disagreement(promises, index)),
    }
}

fn disagreement(promises: &[Promise], index: usize) -> Disagreement {
    let answered = |promise: &&Promise| leaf_at(&promise.leaves, index).is_some();
    let lost = promises.iter().filter(|promise| !answered(promise)).count();
    let shown = promises.iter().filter(answered).map(|promise| {
        let answers = promise.answers.iter();
        let mut of_index = answers.filter(|answer| usize::try_from(answer.index) == Ok(index));
        let answer = of_index.next();
        let fields = answer.map(|answer| answer.fields.as_ref());
        (
            answer.map(|answer| answer.leaf.as_ref()),
            fields.filter(|fields| !fields.is_empty()),
        )
    });
    Disagreement::between(lost, shown)
}

/// A vector that is too short says `lost`.
fn leaf_at(leaves: &[Option<Digest>], index: usize) -> Option<Digest> {
    leaves.get(index).copied().flatten()
}

/// The leaf that most name.
pub(crate) fn most_named(leaves: impl Iterator<Item = Option<Digest>>) -> Option<(Digest, usize)> {
    let counts = counts(leaves);
    counts.into_iter().max_by_key(|(_, count)| *count)
}

fn counts(leaves: impl Iterator<Item = Option<Digest>>) -> BTreeMap<Digest, usize> {
    let mut counts = BTreeMap::new();
    for leaf in leaves.flatten() {
        *counts.entry(leaf).or_default() += 1;
    }
    counts
}
