//! All that is known about one sequence: votes, certificates, the run and its results.
//!
//! Votes are kept per sender, two at most, so a slot is bounded by the membership.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use byzantine_proof::{Digest, ReplicaId};

use crate::certificate::{CommitCertificate, PreparedCertificate};
use crate::message::{Attestation, Promise, ResultVote, Vote};
use crate::missed_proposal::Missed;
use crate::run::Run;
use crate::sabotage::{Bug, is_on};
use crate::signed::{SignedMessage, Verified};
use crate::types::{UnixMillis, View};

/// One sequence between the watermarks.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// The accepted PRE-PREPARE of the newest view, and when it came.
    pub(crate) pre_prepare: Option<Verified<Vote>>,
    pub(crate) pre_prepared_at: Duration,
    /// The same by the wall clock. A proposal's age is judged by this: a replica that was slow to
    /// get to it, or to get its bodies, must not take it for stale.
    pub(crate) received: UnixMillis,
    /// The view whose primary was asked for what its proposal lacks here.
    pub(crate) bodies_asked: Option<View>,
    /// Since when others are known to have agreed to what never came here.
    pub(crate) missed: Option<Missed>,
    /// Whether the fresh proposal was found wanting: this replica does not PREPARE it then.
    pub(crate) declined: bool,
    pub(crate) prepares: Votes,
    pub(crate) commits: Votes,
    /// When this replica sent its last PREPARE.
    pub(crate) prepared_at: Option<Duration>,
    /// The views in which this replica sent its votes.
    pub(crate) prepare_sent: Option<View>,
    pub(crate) commit_sent: Option<View>,
    /// Whether it attested the tree at the end of this sequence, sealed by now or not.
    pub(crate) attest_sent: bool,
    /// The prepared certificate of the highest view, and what it proves.
    pub(crate) prepared: Option<(Vote, PreparedCertificate)>,
    pub(crate) committed: Option<CommitCertificate>,
    /// The run, from when the batch was handed to the executor.
    pub(crate) run: Option<Run>,
    pub(crate) results: BTreeMap<ReplicaId, Verified<ResultVote>>,
    /// What contradicts those, of senders who said two things.
    pub(crate) second_results: BTreeMap<ReplicaId, Verified<ResultVote>>,
    pub(crate) attestations: BTreeMap<ReplicaId, Verified<Attestation>>,
    pub(crate) promises: BTreeMap<ReplicaId, Verified<Promise>>,
    /// Whether this replica's PROMISE is on its way: RESULTs settle nothing here any more.
    pub(crate) promised: bool,
    /// Since when n−f RESULTs are here and settle nothing.
    pub(crate) stuck_since: Option<Duration>,
    /// Since when a RESOLVE could be justified, in the current view.
    pub(crate) justified_since: Option<Duration>,
    /// The view in which this replica proposed a RESOLVE.
    pub(crate) resolution_proposed: Option<View>,
    /// Whose differing answers were asked for, by leaf.
    pub(crate) differences: BTreeSet<(ReplicaId, u32)>,
    /// Who was shown the PRE-PREPARE that contradicts his vote.
    pub(crate) confronted: BTreeSet<ReplicaId>,
}

impl Slot {
    /// Whether this replica, `own`, attested the tree at the end of this sequence. An ATTEST that
    /// is not sealed yet, and so is not here yet, counts as well.
    pub(crate) fn has_attested(&self, own: ReplicaId) -> bool {
        self.attest_sent || self.attestations.contains_key(&own)
    }

    /// The accepted vote of `view`'s primary.
    pub(crate) fn pre_prepared_in(&self, view: View) -> Option<&Verified<Vote>> {
        self.pre_prepare
            .as_ref()
            .filter(|accepted| accepted.body().view == view)
    }

    /// The digest this slot is known to order, the most certain first.
    pub(crate) fn digest(&self) -> Option<Digest> {
        let committed = self
            .committed
            .as_ref()
            .map(|certificate| certificate.vote.digest);
        let proposed = self
            .pre_prepare
            .as_ref()
            .map(|accepted| accepted.body().digest);
        committed.or(proposed)
    }
}

/// The newest vote of each sender in one phase, and the latest other one: that of an older view, or
/// of one who contradicts itself. A certificate of the others may rest on either.
#[derive(Debug, Default)]
pub(crate) struct Votes {
    newest: BTreeMap<ReplicaId, Verified<Vote>>,
    other: BTreeMap<ReplicaId, Verified<Vote>>,
}

/// What adding a vote came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It counts.
    New,
    /// Nothing new: the same again, or older than what is here.
    Old,
    /// It contradicts another signed vote of the same view.
    Contradiction,
}

impl Votes {
    /// Adds a vote.
    pub(crate) fn add(&mut self, vote: Verified<Vote>) -> Added {
        let sender = vote.sender();
        let Some(before) = self.newest.get(&sender).map(|before| *before.body()) else {
            self.newest.insert(sender, vote);
            return Added::New;
        };
        let now = *vote.body();
        if now == before {
            return Added::Old;
        }
        if now.view > before.view {
            let older = self.newest.insert(sender, vote);
            self.other.extend(older.map(|older| (sender, older)));
            return Added::New;
        }
        if !is_on(Bug::OneVoteOnly) {
            self.other.insert(sender, vote);
        }
        if now.view == before.view {
            Added::Contradiction
        } else {
            Added::Old
        }
    }

    /// This sender's vote.
    pub(crate) fn of(&self, sender: ReplicaId) -> Option<&Verified<Vote>> {
        self.newest.get(&sender)
    }

    /// Whether nobody voted.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    /// The signed votes that say exactly `vote`, at most one of each sender.
    pub(crate) fn matching(&self, vote: &Vote) -> Vec<SignedMessage> {
        let matching = self.saying(vote);
        matching
            .map(|candidate| candidate.signed().clone())
            .collect()
    }

    /// How many senders say exactly `vote`.
    pub(crate) fn count(&self, vote: &Vote) -> usize {
        self.saying(vote).count()
    }

    /// What was voted for, by anybody.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = Vote> + '_ {
        let all = self.newest.values().chain(self.other.values());
        all.map(|vote| *vote.body())
    }

    fn saying(&self, vote: &Vote) -> impl Iterator<Item = &Verified<Vote>> {
        let all = self.newest.values().chain(self.other.values());
        all.filter(move |candidate| candidate.body() == vote)
    }
}
