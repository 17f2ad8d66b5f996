//! Whose keys are pinned, as the enrolment server wrote it.

use std::collections::BTreeMap;

use byzantine_proof::Membership;
use kube::ResourceExt as _;
use serde_json::Value;

use crate::crd::status::MembershipStatus;
use crate::enrolment::MEMBERSHIP_KEY;
use crate::names;
use crate::object::Kind;
use crate::observed::Observed;

/// Whose keys are pinned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pinned {
    /// Vote keys in base64, by ordinal.
    pub keys: BTreeMap<u32, String>,
    /// The membership, once all are pinned.
    pub membership: Option<MembershipStatus>,
}

impl Pinned {
    /// Reads the epoch's `ConfigMap`, else the pins of an enrolment that is still going on. What
    /// the status says was pinned stays so if somebody deletes them.
    pub fn of(observed: &Observed) -> Self {
        let status = observed.service.status.clone().unwrap_or_default();
        let members = status.members.into_iter();
        let mut keys: BTreeMap<u32, String> = members
            .filter_map(|member| Some((member.ordinal, member.public_key?)))
            .collect();
        let Some(membership) = membership(observed) else {
            for (ordinal, key) in pins(observed) {
                keys.entry(ordinal).or_insert(key);
            }
            let membership = status.membership;
            return Self { keys, membership };
        };
        for member in membership.members() {
            keys.insert(member.id.0.into(), member.vote.to_base64());
        }
        let digest = membership.digest().to_string();
        let membership = Some(MembershipStatus {
            epoch: membership.epoch(),
            genesis: digest.clone(),
            digest,
        });
        Self { keys, membership }
    }
}

fn membership(observed: &Observed) -> Option<Membership> {
    let name = names::epoch_config_map(&observed.service.name_any(), 0);
    let map = observed.object(Kind::ConfigMap, &name)?;
    let owned = observed.owns(map);
    let text = map.data(MEMBERSHIP_KEY)?.as_str()?;
    Membership::parse(text).ok().filter(|_| owned)
}

/// The vote keys in `<name>-enrolment`, whose keys end with the ordinal.
fn pins(observed: &Observed) -> BTreeMap<u32, String> {
    let name = names::enrolment_config_map(&observed.service.name_any());
    let map = observed.object(Kind::ConfigMap, &name);
    let map = map.filter(|map| observed.owns(map));
    let data = map.and_then(|map| map.body.get("data")?.as_object());
    let pin = |(key, value): (&String, &Value)| {
        let digits = key.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let pin: Value = serde_json::from_str(value.as_str()?).ok()?;
        let vote = pin.get("votePublicKey")?.as_str()?.to_owned();
        Some((digits.parse().ok()?, vote))
    };
    data.into_iter().flatten().filter_map(pin).collect()
}
