//! The members of a simulated service: keys from fixed seeds, made once.

use std::collections::BTreeMap;
use std::sync::Mutex;

use byzantine_consensus::{Digest, Keys, Membership};
use byzantine_proof::{Member, SecretKey, ServiceName};

use crate::world::replica_id;

static MADE: Mutex<BTreeMap<(usize, usize, usize), Membership>> = Mutex::new(BTreeMap::new());

/// The membership of `members` replicas of which `faulty` may lie, with `reply_quorum` for k.
pub fn membership(members: usize, faulty: usize, reply_quorum: usize) -> Membership {
    let mut made = MADE.lock().expect("making a membership does not panic");
    let membership = made.entry((members, faulty, reply_quorum));
    membership
        .or_insert_with(|| make(members, faulty, reply_quorum))
        .clone()
}

/// The real keys of one member.
pub fn keys(membership: &Membership, member: usize) -> Keys {
    let [vote, cosigner, _] = secrets(member);
    Keys::new(membership.clone(), vote, cosigner)
}

/// What every signature covers.
pub fn origin(membership: &Membership) -> Digest {
    Digest::of(membership.origin().as_str().as_bytes())
}

fn make(members: usize, faulty: usize, reply_quorum: usize) -> Membership {
    let service = ServiceName::new("bank", "default", "cluster.local");
    let service = service.expect("the name is valid");
    let member = |id: usize| {
        let [vote, cosigner, link] = secrets(id).map(|key| key.public_key());
        let id = replica_id(id);
        Member {
            id,
            vote,
            cosigner,
            link,
        }
    };
    let small = |number: usize| u8::try_from(number).expect("a small group");
    let all = (0..members).map(member).collect();
    Membership::new(service, 0, small(faulty), small(reply_quorum), all)
        .expect("n, f and k fit together")
}

fn secrets(member: usize) -> [SecretKey; 3] {
    let seed = |kind: usize| {
        let byte = u8::try_from(member * 3 + kind + 1).expect("a small group");
        SecretKey::from_seed(&[byte; 32])
    };
    [seed(0), seed(1), seed(2)]
}
