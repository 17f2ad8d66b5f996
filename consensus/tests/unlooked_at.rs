//! What is left out before its signature is checked: votes that are here, or that a certificate has
//! no need of. Whatever says anything else is looked at. A forged signature tells which is which.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use byzantine_consensus::{
    Attestation, Batch, Message, Notice, Promise, Rejection, ResultVote, Sequence, View, Vote,
};
use byzantine_proof::{Cosignature, Digest};
use group::Group;

/// Member 0 has a certificate for sequence 1, without the votes of member 3.
struct Ordered {
    group: Group,
    vote: Vote,
    other: Vote,
}

fn ordered(first: impl FnOnce(&mut Group, Vote)) -> Ordered {
    let mut group = Group::new(4, 1, 8);
    group.stabilize();
    group.isolate(3);
    let other = Vote {
        view: View(0),
        sequence: Sequence(1),
        digest: Digest::of(b"another batch"),
    };
    first(&mut group, other);
    group.request(1, "k", "/");
    group.stabilize();
    let batch = Batch::decode(&group.nodes[0].ledger[0].batch).unwrap();
    let digest = batch.digest();
    let vote = Vote { digest, ..other };
    Ordered { group, vote, other }
}

/// Why member 0 refused what it was given since this was asked last.
fn refused(group: &mut Group) -> Vec<Rejection> {
    let notices = std::mem::take(&mut group.notices).into_iter();
    let told = notices.filter_map(|(_, notice)| match notice {
        Notice::Rejected { rejection, .. } => Some(rejection),
        _ => None,
    });
    told.collect()
}

impl Ordered {
    /// Whether member 0 looks at messages in the name of a member that did not sign them.
    fn looks_at(&mut self, sender: usize, messages: &[Message]) -> bool {
        refused(&mut self.group);
        self.group.pretend(0, sender, messages);
        refused(&mut self.group) == [Rejection::Signature]
    }

    /// The same, shown by member 1.
    fn looks_at_shown(&mut self, sender: usize, message: Message) -> bool {
        refused(&mut self.group);
        let mut signed = self.group.sign(1, &[message]);
        signed[0].sender = group::replica_id(sender);
        self.group.relay(1, 0, signed);
        refused(&mut self.group) == [Rejection::Signature]
    }

    fn result(&self) -> ResultVote {
        let answers = self.group.nodes[0].ledger[0].answers.iter();
        let leaves = answers.map(|it| Some(it.answer.leaf_hash()));
        ResultVote {
            sequence: Sequence(1),
            leaves: leaves.collect(),
        }
    }

    fn attestation(&self, by: usize) -> Attestation {
        let settled = &self.group.nodes[0].ledger[0];
        let (size, root, time) = (settled.size, settled.root, settled.time.0 / 1000);
        Attestation {
            sequence: Sequence(1),
            size,
            root,
            cosignature: self.group.authority(by).cosign(size, &root, time),
        }
    }
}

#[test]
fn votes_that_a_certificate_does_not_need_are() {
    let mut ordered = ordered(|_, _| {});
    let (vote, other) = (ordered.vote, ordered.other);
    for sender in [2, 3] {
        let both = [Message::Prepare(vote), Message::Commit(vote)];
        assert!(!ordered.looks_at(sender, &both[..1]));
        assert!(!ordered.looks_at(sender, &both[1..]));
        assert!(!ordered.looks_at(sender, &both));
        assert!(ordered.looks_at(sender, &[Message::Prepare(other)]));
        assert!(ordered.looks_at(sender, &[Message::Commit(other)]));
        let beside = [Message::Prepare(vote), Message::Prepare(other)];
        assert!(ordered.looks_at(sender, &beside));
        let beside = [Message::Commit(vote), Message::Result(ordered.result())];
        assert!(ordered.looks_at(sender, &beside));
    }
    assert!(ordered.looks_at(2, &[]), "an envelope of nothing");
}

#[test]
fn a_vote_that_its_sender_contradicts_is_evidence() {
    let mut before = ordered(|group, other| {
        group.forge_to(&[0], 3, &[Message::Prepare(other), Message::Commit(other)]);
    });
    let vote = before.vote;
    assert!(before.looks_at(3, &[Message::Prepare(vote)]));
    assert!(before.looks_at(3, &[Message::Commit(vote)]));
    assert!(!before.looks_at(2, &[Message::Prepare(vote)]));
    assert!(!before.looks_at(2, &[Message::Commit(vote)]));
}

#[test]
fn what_is_shown_and_here_already_is() {
    let mut ordered = ordered(|_, _| {});
    let (vote, other) = (ordered.vote, ordered.other);
    let promise = Promise {
        sequence: Sequence(1),
        leaves: vec![None],
        answers: vec![],
    };
    let group = &mut ordered.group;
    group.forge_to(&[0], 2, &[Message::Promise(promise.clone())]);
    let (mut result, mut attestation) = (ordered.result(), ordered.attestation(2));
    let here = [
        Message::Prepare(vote),
        Message::Commit(vote),
        Message::Result(result.clone()),
        Message::Promise(promise.clone()),
        Message::Attest(attestation),
    ];
    for message in here {
        let shown = message.clone();
        assert!(!ordered.looks_at_shown(2, shown.clone()), "{message:?}");
        assert!(ordered.looks_at_shown(3, shown), "{message:?}");
    }
    result.leaves[0] = None;
    attestation.size += 1;
    let different = [
        Message::Prepare(other),
        Message::Commit(other),
        Message::Result(result),
        Message::Promise(Promise {
            leaves: vec![Some(Digest::of(b"leaf"))],
            ..promise
        }),
        Message::Attest(attestation),
    ];
    for message in different {
        let shown = message.clone();
        assert!(ordered.looks_at_shown(2, shown), "{message:?}");
    }
}

#[test]
fn a_cosignature_is_while_none_is_needed() {
    let mut ordered = ordered(|_, _| {});
    let forged = Attestation {
        cosignature: Cosignature::from_bytes(&[7; 72]).unwrap(),
        ..ordered.attestation(3)
    };
    let group = &mut ordered.group;
    refused(group);
    group.forge_to(&[0], 3, &[Message::Attest(forged)]);
    assert_eq!(refused(group), [], "sequence 1 has its certificate");
    let next = Attestation {
        sequence: Sequence(2),
        ..forged
    };
    group.forge_to(&[0], 3, &[Message::Attest(next)]);
    assert_eq!(refused(group), [Rejection::Cosignature]);
    // A checkpoint may become stable later than it is certified.
    let checkpoint = Attestation {
        sequence: Sequence(8),
        ..forged
    };
    group.forge_to(&[0], 3, &[Message::Attest(checkpoint)]);
    assert_eq!(refused(group), [Rejection::Cosignature]);
}

#[test]
fn an_envelope_that_another_member_passes_on_is_refused() {
    let mut ordered = ordered(|_, _| {});
    let group = &mut ordered.group;
    let vote = Message::Prepare(Vote {
        sequence: Sequence(2),
        ..ordered.other
    });
    refused(group);
    group.pass_on(1, 0, 2, std::slice::from_ref(&vote));
    assert_eq!(refused(group), [Rejection::Signature]);
    group.pass_on(2, 0, 2, &[vote]);
    assert_eq!(refused(group), []);
}
