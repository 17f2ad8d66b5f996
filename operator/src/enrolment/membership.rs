//! The membership that an epoch's `ConfigMap` holds, and how it is made of a service and its pins.

use std::collections::BTreeMap;

use byzantine_proof::{Member, Membership, Policy, ProofError, ServiceName};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::{Resource as _, ResourceExt as _};

use super::GENESIS;
use super::refusal::{Reason, Refusal};
use crate::crd::ByzantineService;
use crate::names;

/// The key of the membership's text in its `ConfigMap`.
pub const MEMBERSHIP_KEY: &str = "membership";

/// The key of the policy's text beside it: what clients keep to verify answers.
pub const POLICY_KEY: &str = "policy";

/// The membership that a `ConfigMap` holds.
///
/// # Errors
/// [`ProofError`] when there is none, or its text is not valid.
pub fn membership_of(map: &ConfigMap) -> Result<Membership, ProofError> {
    let data = map.data.as_ref();
    let text = data.and_then(|data| data.get(MEMBERSHIP_KEY));
    Membership::parse(text.map_or("", String::as_str))
}

/// `<name>.<namespace>.<proof domain>`.
pub(super) fn service_name(service: &ByzantineService) -> Result<ServiceName, Refusal> {
    let (name, namespace) = (service.name_any(), service.namespace_name());
    Ok(ServiceName::new(
        &name,
        &namespace,
        &service.spec.proofs.domain,
    )?)
}

/// The membership of all members.
pub(super) fn complete(
    service: &ByzantineService,
    members: Vec<Member>,
) -> Result<Membership, Refusal> {
    let small = |number: u32| {
        let wrong = || Refusal::new(Reason::UnknownReplica, "the resource's sizes are not valid");
        u8::try_from(number).map_err(|_| wrong())
    };
    let faults = small(service.spec.fault_tolerance)?;
    let quorum = small(service.spec.reply_quorum())?;
    let name = service_name(service)?;
    Ok(Membership::new(name, GENESIS, faults, quorum, members)?)
}

/// The `ConfigMap` that keeps it for ever.
pub(super) fn config_map(service: &ByzantineService, membership: &Membership) -> ConfigMap {
    let name = names::epoch_config_map(&service.name_any(), membership.epoch());
    let texts = [
        (MEMBERSHIP_KEY, membership.to_text()),
        (POLICY_KEY, Policy::of(membership).to_string()),
    ];
    let texts = texts.map(|(key, text)| (key.to_owned(), text));
    ConfigMap {
        metadata: owned(service, name),
        immutable: Some(true),
        data: Some(BTreeMap::from(texts)),
        ..ConfigMap::default()
    }
}

/// The metadata of an object that belongs to a service.
pub(super) fn owned(service: &ByzantineService, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: service.namespace(),
        labels: Some(names::labels(&service.name_any())),
        owner_references: service.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// Whether an object belongs to a service.
///
/// # Errors
/// [`Reason::NameConflict`]: what belongs to others is neither read nor written.
pub(super) fn check_owner(service: &ByzantineService, map: &ConfigMap) -> Result<(), Refusal> {
    let uid = service.uid();
    let mut owners = map.owner_references().iter();
    let ours = |owner: &&_| is_controlled_by(owner, uid.as_deref());
    if owners.any(|owner| ours(&owner)) {
        return Ok(());
    }
    let name = map.name_any();
    Err(Refusal::new(
        Reason::NameConflict,
        format!("ConfigMap {name} belongs to somebody else; delete or rename it"),
    ))
}

fn is_controlled_by(
    owner: &k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference,
    uid: Option<&str>,
) -> bool {
    owner.controller == Some(true) && Some(owner.uid.as_str()) == uid
}
