//! Forged certificates, one lie each; every one must be refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use byzantine_consensus::{
    Authority, CheckpointCertificate, CommitCertificate, Envelope, Judge, Keys, Message,
    PreparedCertificate, Rejection, ReplicaId, Sequence, SignedMessage, View, Vote,
    check_cosignatures,
};
use byzantine_consensus::{Certificate, open};
use byzantine_proof::{BatchLeaf, Digest, Member, Membership, SecretKey, ServiceName, Signature};

struct World {
    membership: Membership,
    origin: Digest,
    keys: Vec<Keys>,
}

impl World {
    fn new() -> Self {
        let key = |id: u8, kind: u8| SecretKey::from_seed(&[id * 3 + kind + 1; 32]);
        let member = |id: u8| Member {
            id: ReplicaId(id),
            vote: key(id, 0).public_key(),
            cosigner: key(id, 1).public_key(),
            link: key(id, 2).public_key(),
        };
        let service = ServiceName::new("s", "default", "cluster.local").unwrap();
        let members = (0..4).map(member).collect();
        let membership = Membership::new(service, 0, 1, 3, members).unwrap();
        let origin = Digest::of(membership.origin().as_str().as_bytes());
        let keys = (0..4)
            .map(|id| Keys::new(membership.clone(), key(id, 0), key(id, 1)))
            .collect();
        Self {
            membership,
            origin,
            keys,
        }
    }

    fn judge(&self) -> Judge<'_> {
        let authority = &self.keys[0];
        Judge {
            membership: &self.membership,
            origin: &self.origin,
            authority,
        }
    }

    fn sign(&self, sender: u8, message: Message) -> SignedMessage {
        let keys = &self.keys[usize::from(sender)];
        let envelope = Envelope::seal(&self.origin, ReplicaId(sender), &[message], keys);
        open(&self.origin, &envelope, keys).unwrap()[0]
            .signed()
            .clone()
    }

    fn prepared(&self, prepares: impl IntoIterator<Item = u8>) -> PreparedCertificate {
        PreparedCertificate {
            pre_prepare: self.sign(0, Message::PrePrepare(vote())),
            prepares: prepares
                .into_iter()
                .map(|id| self.sign(id, Message::Prepare(vote())))
                .collect(),
        }
    }
}

fn vote() -> Vote {
    Vote {
        view: View(0),
        sequence: Sequence(1),
        digest: Digest::of(b"batch"),
    }
}

const REFUSED: Result<Vote, Rejection> = Err(Rejection::Certificate);

#[test]
fn a_prepared_certificate_needs_distinct_backups() {
    let world = World::new();
    assert_eq!(world.prepared([1, 2]).check(world.judge()), Ok(vote()));
    assert_eq!(world.prepared([1]).check(world.judge()), REFUSED);
    assert_eq!(world.prepared([1, 1]).check(world.judge()), REFUSED);
    // The primary's PRE-PREPARE is its vote already.
    assert_eq!(world.prepared([0, 1]).check(world.judge()), REFUSED);
}

#[test]
fn every_vote_must_be_for_the_same_view_sequence_and_digest() {
    let world = World::new();
    let others = [
        Vote {
            view: View(4),
            ..vote()
        },
        Vote {
            sequence: Sequence(2),
            ..vote()
        },
        Vote {
            digest: Digest::of(b"other"),
            ..vote()
        },
    ];
    for other in others {
        let mut forged = world.prepared([1, 2]);
        forged.prepares[1] = world.sign(2, Message::Prepare(other));
        assert_eq!(forged.check(world.judge()), REFUSED, "{other:?}");
    }
    let mut forged = world.prepared([1, 2]);
    forged.prepares[1] = world.sign(2, Message::Commit(vote()));
    assert_eq!(forged.check(world.judge()), REFUSED);
}

#[test]
fn only_the_primary_of_the_view_assigns() {
    let world = World::new();
    let mut forged = world.prepared([1, 2]);
    forged.pre_prepare = world.sign(3, Message::PrePrepare(vote()));
    assert_eq!(forged.check(world.judge()), REFUSED);
}

#[test]
fn a_signature_counts_for_its_signer_only() {
    let world = World::new();
    let mut forged = world.prepared([1, 2]);
    forged.prepares[1].sender = ReplicaId(3);
    assert_eq!(forged.check(world.judge()), Err(Rejection::Signature));
    let mut forged = world.prepared([1, 2]);
    forged.prepares[1].signature = Signature::from_bytes([0; 64]);
    assert_eq!(forged.check(world.judge()), Err(Rejection::Signature));
    // A message that the signed list does not contain.
    let mut forged = world.prepared([1, 2]);
    forged.prepares[1].message =
        Message::Status(byzantine_consensus::StatusReport::default()).encode();
    assert_eq!(forged.check(world.judge()), Err(Rejection::Signature));
}

#[test]
fn a_commit_certificate_needs_a_quorum() {
    let world = World::new();
    let commit = |id| world.sign(id, Message::Commit(vote()));
    let certificate = |ids: &[u8]| CommitCertificate {
        vote: vote(),
        commits: ids.iter().map(|id| commit(*id)).collect(),
    };
    assert_eq!(certificate(&[0, 2, 3]).check(world.judge()), Ok(()));
    assert_eq!(
        certificate(&[0, 2]).check(world.judge()),
        Err(Rejection::Certificate)
    );
    assert_eq!(
        certificate(&[0, 2, 2]).check(world.judge()),
        Err(Rejection::Certificate)
    );
}

/// A tree of one leaf, which ends sequence 2, cosigned by three.
fn checkpoint(world: &World) -> CheckpointCertificate {
    let leaf = BatchLeaf {
        origin: world.membership.origin().clone(),
        sequence: 2,
        time_ms: 1,
        batch: Digest::of(b"batch"),
        leaves: 0,
        duplicates: 0,
        resolved: vec![],
        middleware: None,
    };
    let root = leaf.hash();
    let cosigners = world.keys.iter().take(3).zip(0..);
    let cosign = |(keys, id): (&Keys, u8)| (ReplicaId(id), keys.cosign(1, &root, 9));
    CheckpointCertificate {
        certificate: Certificate {
            sequence: Sequence(2),
            size: 1,
            root,
            cosignatures: cosigners.map(cosign).collect(),
        },
        batch_leaf: leaf.to_text(),
        path: vec![],
    }
}

#[test]
fn a_checkpoint_is_of_the_sequence_that_its_trees_last_leaf_ends() {
    let world = World::new();
    let sound = checkpoint(&world);
    assert_eq!(sound.check(world.judge()), Ok(Sequence(2)));
    let refused = Err(Rejection::Certificate);
    let mut later = sound.clone();
    later.certificate.sequence = Sequence(3);
    assert_eq!(later.check(world.judge()), refused, "the leaf ends 2");
    let mut elsewhere = sound.clone();
    elsewhere.path = vec![Digest::of(b"sibling")];
    assert_eq!(elsewhere.check(world.judge()), refused, "not in the tree");
    let mut another = sound.clone();
    another.batch_leaf = another.batch_leaf.replace("default", "another");
    assert_eq!(another.check(world.judge()), refused, "another service");
    let mut nothing = sound;
    nothing.certificate.size = 0;
    assert!(nothing.check(world.judge()).is_err());
}

#[test]
fn cosignatures_need_a_quorum_over_this_very_tree() {
    let world = World::new();
    let root = Digest::of(b"root");
    let cosign = |id: u8| {
        (
            ReplicaId(id),
            world.keys[usize::from(id)].cosign(5, &root, 9),
        )
    };
    let certificate = |ids: &[u8]| Certificate {
        sequence: Sequence(2),
        size: 5,
        root,
        cosignatures: ids.iter().map(|id| cosign(*id)).collect(),
    };
    assert_eq!(
        check_cosignatures(&certificate(&[0, 1, 3]), world.judge()),
        Ok(())
    );
    let few = check_cosignatures(&certificate(&[0, 1]), world.judge());
    assert_eq!(few, Err(Rejection::Certificate));
    let twice = check_cosignatures(&certificate(&[0, 1, 1]), world.judge());
    assert_eq!(twice, Err(Rejection::Certificate));
    let other = Certificate {
        size: 6,
        ..certificate(&[0, 1, 3])
    };
    assert_eq!(
        check_cosignatures(&other, world.judge()),
        Err(Rejection::Cosignature)
    );
}
