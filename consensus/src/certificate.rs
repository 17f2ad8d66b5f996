//! Certificates: signed messages of a quorum, checked as a whole.
//!
//! Each check counts distinct replicas, compares view, sequence and digest of every vote, and
//! verifies every signature; none takes a claim of the certificate for granted.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_proof::{Digest, Membership, ReplicaId};

use crate::execution::Certificate;
use crate::message::{Message, Vote};
use crate::rejection::Rejection;
use crate::sabotage::{Bug, is_on};
use crate::signed::{Authority, SignedMessage, open_one};
use crate::types::{Sequence, View};

/// What certificates are checked against.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// The members and their quorums.
    pub membership: &'a Membership,
    /// Digest of the origin under which they sign.
    pub origin: &'a Digest,
    /// Their keys.
    pub authority: &'a dyn Authority,
}

/// A PRE-PREPARE and q−1 PREPAREs of distinct backups for it. (OSDI'99 §4.2)
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PreparedCertificate {
    /// The primary's assignment.
    pub pre_prepare: SignedMessage,
    /// The backups' agreement.
    pub prepares: Vec<SignedMessage>,
}

impl PreparedCertificate {
    /// Checks the certificate and tells what it proves.
    ///
    /// # Errors
    /// [`Rejection::Certificate`] and those of [`open_one`].
    pub fn check(&self, judge: Judge<'_>) -> Result<Vote, Rejection> {
        let pre_prepare = open_one(judge.origin, &self.pre_prepare, judge.authority)?;
        let Message::PrePrepare(vote) = *pre_prepare.body() else {
            return Err(Rejection::Certificate);
        };
        let primary = vote.view.primary(judge.membership.n());
        // The primary's PRE-PREPARE is its vote: a PREPARE of its own must not count again.
        let needed = order_quorum(judge.membership) - 1;
        let senders = judge.distinct(
            &self.prepares,
            needed,
            |message| matches!(message, Message::Prepare(prepare) if *prepare == vote),
        )?;
        let twice = senders.contains(&primary) && !is_on(Bug::PrimaryCountsTwice);
        let sound = pre_prepare.sender() == primary && !twice;
        if sound {
            Ok(vote)
        } else {
            Err(Rejection::Certificate)
        }
    }
}

/// q COMMITs of distinct replicas for one batch in one view. (OSDI'99 §4.2)
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CommitCertificate {
    /// What was committed.
    pub vote: Vote,
    /// The COMMITs.
    pub commits: Vec<SignedMessage>,
}

impl CommitCertificate {
    /// The canonical bytes, as the ledger keeps them.
    pub fn encode(&self) -> Bytes {
        // Writing to memory cannot fail, and lengths are far below 2^32.
        Bytes::from(borsh::to_vec(self).expect("a certificate fits into memory"))
    }

    /// Reads canonical bytes; what they say is yet to be checked.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }

    /// Checks the certificate.
    ///
    /// # Errors
    /// [`Rejection::Certificate`] and those of [`open_one`].
    pub fn check(&self, judge: Judge<'_>) -> Result<(), Rejection> {
        let needed = order_quorum(judge.membership);
        judge
            .distinct(
                &self.commits,
                needed,
                |message| matches!(message, Message::Commit(commit) if *commit == self.vote),
            )
            .map(drop)
    }
}

/// The certificate of a stable checkpoint: cosignatures, and proof which sequence they end at.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CheckpointCertificate {
    /// q cosignatures over size and root.
    pub certificate: Certificate,
    /// The text of the batch leaf, the last leaf of the tree: it names the sequence.
    pub batch_leaf: String,
    /// Its inclusion path.
    pub path: Vec<Digest>,
}

impl CheckpointCertificate {
    /// Checks the certificate and tells the sequence that is stable.
    ///
    /// # Errors
    /// [`Rejection::Certificate`] or [`Rejection::Cosignature`].
    pub fn check(&self, judge: Judge<'_>) -> Result<Sequence, Rejection> {
        let certificate = &self.certificate;
        check_cosignatures(certificate, judge)?;
        let leaf = byzantine_proof::BatchLeaf::parse(&self.batch_leaf);
        let leaf = leaf.map_err(|_| Rejection::Certificate)?;
        let position = certificate
            .size
            .checked_sub(1)
            .ok_or(Rejection::Certificate)?;
        let included = byzantine_proof::tree::verify_inclusion(
            leaf.hash(),
            position,
            certificate.size,
            &self.path,
            certificate.root,
        );
        let named =
            leaf.sequence == certificate.sequence.0 && leaf.origin == *judge.membership.origin();
        if included && named {
            Ok(certificate.sequence)
        } else {
            Err(Rejection::Certificate)
        }
    }
}

/// Checks that q distinct replicas cosigned a size and root.
///
/// # Errors
/// [`Rejection::Certificate`] or [`Rejection::Cosignature`].
pub fn check_cosignatures(certificate: &Certificate, judge: Judge<'_>) -> Result<(), Rejection> {
    let signers: BTreeSet<ReplicaId> = certificate
        .cosignatures
        .iter()
        .map(|(signer, _)| *signer)
        .collect();
    let distinct = signers.len() == certificate.cosignatures.len();
    if !distinct || signers.len() < order_quorum(judge.membership) {
        return Err(Rejection::Certificate);
    }
    let (size, root) = (certificate.size, &certificate.root);
    let valid = certificate
        .cosignatures
        .iter()
        .all(|(signer, cosignature)| {
            judge
                .authority
                .verify_cosignature(*signer, size, root, cosignature)
        });
    if valid {
        Ok(())
    } else {
        Err(Rejection::Cosignature)
    }
}

/// Checks that q distinct replicas suspect the primary of `view`.
///
/// # Errors
/// [`Rejection::Certificate`] and those of [`open_one`].
pub(crate) fn check_suspicions(
    suspicions: &[SignedMessage],
    view: View,
    judge: Judge<'_>,
) -> Result<(), Rejection> {
    let needed = order_quorum(judge.membership);
    judge
        .distinct(
            suspicions,
            needed,
            |message| matches!(message, Message::Suspect(suspicion) if suspicion.view == view),
        )
        .map(drop)
}

/// q: any two of them share a correct replica.
pub(crate) fn order_quorum(membership: &Membership) -> usize {
    if is_on(Bug::SmallQuorum) {
        return 2 * membership.f() + 1;
    }
    membership.order_quorum()
}

impl Judge<'_> {
    /// The senders of `votes`, which must be at least `needed`, all distinct, validly signed and
    /// all what `expected` asks.
    fn distinct(
        self,
        votes: &[SignedMessage],
        needed: usize,
        expected: impl Fn(&Message) -> bool,
    ) -> Result<BTreeSet<ReplicaId>, Rejection> {
        let senders: BTreeSet<ReplicaId> = votes.iter().map(|vote| vote.sender).collect();
        let enough = senders.len() == votes.len() && senders.len() >= needed;
        if !(enough || is_on(Bug::DuplicatesCount) && votes.len() >= needed) {
            return Err(Rejection::Certificate);
        }
        for vote in votes {
            let opened = open_one(self.origin, vote, self.authority)?;
            if !expected(opened.body()) && !is_on(Bug::CertificateUnchecked) {
                return Err(Rejection::Certificate);
            }
        }
        Ok(senders)
    }
}
