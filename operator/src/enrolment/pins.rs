//! The public keys that are pinned while those of others are missing: one `ConfigMap` of the
//! service, changed only by writers that have seen its last state.

use std::collections::{BTreeMap, BTreeSet};

use byzantine_proof::{Member, PublicKey, ReplicaId};
use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};

use super::refusal::{Reason, Refusal};

/// What is pinned for one replica, as JSON in the `ConfigMap`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pin {
    incarnation: u64,
    vote_public_key: String,
    cosigner_public_key: String,
    link_public_key: String,
}

/// All pins of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pins(BTreeMap<String, String>);

/// What pinning came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pinned {
    /// The keys are pinned now.
    Newly,
    /// They were pinned before.
    Already,
}

impl Pins {
    pub(super) fn of(map: &ConfigMap) -> Self {
        Self(map.data.clone().unwrap_or_default())
    }

    /// As the `ConfigMap` holds them.
    pub(super) fn data(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }

    /// Pins a replica's keys. Another incarnation of the replica is another replica: until the
    /// membership is made, its keys may take the place of those that were lost.
    pub(super) fn pin(&mut self, member: &Member, incarnation: u64) -> Result<Pinned, Refusal> {
        let key = key(member.id);
        let new = Pin::new(member, incarnation);
        match self.pinned(&key)? {
            Some(old) if old.has_keys_of(&new) => return Ok(Pinned::Already),
            Some(old) if old.incarnation >= incarnation => return Err(key_changed(member.id)),
            _ => {}
        }
        self.check_unused(member)?;
        let text = serde_json::to_string(&new).expect("text and numbers are JSON");
        self.0.insert(key, text);
        Ok(Pinned::Newly)
    }

    /// The members, if the keys of all `count` replicas are pinned; else who is missing.
    pub(super) fn members(&self, count: u32) -> Result<Result<Vec<Member>, Vec<u8>>, Refusal> {
        let (mut members, mut missing) = (Vec::new(), Vec::new());
        for number in 0..u8::try_from(count).unwrap_or(u8::MAX) {
            let id = ReplicaId(number);
            match self.pinned(&key(id))? {
                Some(pin) => members.push(pin.member(id)?),
                None => missing.push(number),
            }
        }
        Ok(if missing.is_empty() {
            Ok(members)
        } else {
            Err(missing)
        })
    }

    fn pinned(&self, key: &str) -> Result<Option<Pin>, Refusal> {
        let Some(text) = self.0.get(key) else {
            return Ok(None);
        };
        let pin = serde_json::from_str(text).map_err(|error| {
            let detail = format!("what is pinned as {key} cannot be read: {error}");
            Refusal::new(Reason::NameConflict, detail)
        })?;
        Ok(Some(pin))
    }

    fn check_unused(&self, member: &Member) -> Result<(), Refusal> {
        let others = self.0.iter().filter(|(name, _)| **name != key(member.id));
        let own = [member.vote, member.cosigner, member.link].map(PublicKey::to_base64);
        let distinct: BTreeSet<&String> = own.iter().collect();
        let used = |own: &String| others.clone().any(|(_, text)| text.contains(own));
        if distinct.len() == own.len() && !own.iter().any(used) {
            return Ok(());
        }
        let detail = "one of these keys is used twice; each replica makes three of its own";
        Err(Refusal::new(Reason::KeyInUse, detail))
    }
}

impl Pin {
    fn new(member: &Member, incarnation: u64) -> Self {
        Self {
            incarnation,
            vote_public_key: member.vote.to_base64(),
            cosigner_public_key: member.cosigner.to_base64(),
            link_public_key: member.link.to_base64(),
        }
    }

    fn has_keys_of(&self, other: &Self) -> bool {
        let incarnation = other.incarnation;
        Self {
            incarnation,
            ..self.clone()
        } == *other
    }

    fn member(&self, id: ReplicaId) -> Result<Member, Refusal> {
        Ok(Member {
            id,
            vote: PublicKey::from_base64(&self.vote_public_key)?,
            cosigner: PublicKey::from_base64(&self.cosigner_public_key)?,
            link: PublicKey::from_base64(&self.link_public_key)?,
        })
    }
}

/// Other keys are pinned.
pub(super) fn key_changed(id: ReplicaId) -> Refusal {
    Refusal::new(
        Reason::KeyChanged,
        format!(
            "other keys are pinned for replica {id}: its volume was replaced, or somebody else \
             asks; give it back the volume on which it was enrolled"
        ),
    )
}

fn key(id: ReplicaId) -> String {
    format!("replica-{id}")
}

#[cfg(test)]
mod tests {
    use byzantine_proof::SecretKey;

    use super::*;

    fn member(id: u8, seed: u8) -> Member {
        let key = |kind: u8| SecretKey::from_seed(&[seed ^ (kind << 6); 32]).public_key();
        Member {
            id: ReplicaId(id),
            vote: key(0),
            cosigner: key(1),
            link: key(2),
        }
    }

    #[test]
    fn keys_are_pinned_until_all_are_in() {
        let mut pins = Pins::default();
        for id in 0..4 {
            let missing: Vec<u8> = (id..4).collect();
            assert_eq!(pins.members(4).unwrap(), Err(missing));
            assert_eq!(pins.pin(&member(id, id), 1).unwrap(), Pinned::Newly);
            assert_eq!(pins.pin(&member(id, id), 1).unwrap(), Pinned::Already);
        }
        let members = pins.members(4).unwrap().unwrap();
        assert_eq!(members, (0..4).map(|id| member(id, id)).collect::<Vec<_>>());
    }

    #[test]
    fn pinned_keys_change_with_the_incarnation_only() {
        let mut pins = Pins::default();
        pins.pin(&member(1, 1), 1).unwrap();
        let changed = pins.pin(&member(1, 9), 1).unwrap_err();
        assert_eq!(changed.reason, Reason::KeyChanged);
        assert_eq!(pins.pin(&member(1, 9), 2).unwrap(), Pinned::Newly);
        let old = pins.pin(&member(1, 1), 1).unwrap_err();
        assert_eq!(old.reason, Reason::KeyChanged);
    }

    #[test]
    fn no_two_replicas_share_a_key() {
        let mut pins = Pins::default();
        pins.pin(&member(1, 1), 1).unwrap();
        let mut thief = member(2, 2);
        thief.link = member(1, 1).vote;
        assert_eq!(pins.pin(&thief, 1).unwrap_err().reason, Reason::KeyInUse);
        let mut lazy = member(3, 3);
        lazy.link = lazy.vote;
        assert_eq!(pins.pin(&lazy, 1).unwrap_err().reason, Reason::KeyInUse);
    }

    #[test]
    fn what_cannot_be_read_is_not_overwritten() {
        let mut pins = Pins(BTreeMap::from([(key(ReplicaId(1)), "{".to_owned())]));
        assert_eq!(
            pins.pin(&member(1, 1), 1).unwrap_err().reason,
            Reason::NameConflict
        );
        assert!(pins.members(4).is_err());
    }
}
