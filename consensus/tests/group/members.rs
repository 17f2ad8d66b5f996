//! Who belongs to the group of a test.

use byzantine_proof::{Member, Membership, SecretKey, ServiceName};

use super::replica_id;

/// The vote, cosigner and link keys of a member.
pub fn secrets(id: usize) -> [SecretKey; 3] {
    let seed = |kind: u8| SecretKey::from_seed(&[u8::try_from(id).unwrap() * 3 + kind + 1; 32]);
    [seed(0), seed(1), seed(2)]
}

/// Members with these keys, of whom so many may be faulty.
pub fn membership(members: usize, faults: usize) -> Membership {
    let member = |id: usize| {
        let [vote, cosigner, link] = secrets(id).map(|key| key.public_key());
        Member {
            id: replica_id(id),
            vote,
            cosigner,
            link,
        }
    };
    let service = ServiceName::new("counter", "default", "cluster.local").unwrap();
    let quorum = (members + faults + 2) / 2;
    let small = |number: usize| u8::try_from(number).unwrap();
    let members = (0..members).map(member).collect();
    Membership::new(service, 0, small(faults), small(quorum), members).unwrap()
}
