//! Whose keys are pinned, as the enrolment server wrote it.

use std::collections::BTreeMap;

use byzantine_proof::Membership;
use kube::ResourceExt as _;
use serde::Deserialize;
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
        let known = |ordinal: u32| {
            let mut members = status.members.iter();
            members.find(|member| member.ordinal == ordinal)
        };
        let mut keys: BTreeMap<u32, String> = status
            .members
            .iter()
            .filter_map(|member| Some((member.ordinal, member.public_key.clone()?)))
            .collect();
        let Some(membership) = membership(observed) else {
            for (ordinal, pin) in pins(observed) {
                let newer = known(ordinal).is_none_or(|known| pin.incarnation > known.incarnation);
                if newer || !keys.contains_key(&ordinal) {
                    keys.insert(ordinal, pin.vote_public_key);
                }
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

/// What is pinned for one replica, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pin {
    incarnation: u64,
    vote_public_key: String,
}

fn membership(observed: &Observed) -> Option<Membership> {
    let name = names::epoch_config_map(&observed.service.name_any(), 0);
    let map = observed.object(Kind::ConfigMap, &name)?;
    let owned = observed.owns(map);
    let text = map.data(MEMBERSHIP_KEY)?.as_str()?;
    Membership::parse(text).ok().filter(|_| owned)
}

/// The vote keys in `<name>-enrolment`, whose keys end with the ordinal.
fn pins(observed: &Observed) -> BTreeMap<u32, Pin> {
    let name = names::enrolment_config_map(&observed.service.name_any());
    let map = observed.object(Kind::ConfigMap, &name);
    let map = map.filter(|map| observed.owns(map));
    let data = map.and_then(|map| map.body.get("data")?.as_object());
    let pin = |(key, value): (&String, &Value)| {
        let digits = key.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let pin = serde_json::from_str(value.as_str()?).ok()?;
        Some((digits.parse().ok()?, pin))
    };
    data.into_iter().flatten().filter_map(pin).collect()
}
