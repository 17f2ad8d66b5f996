//! What happens in a cluster without the operator: pods are made, live and die, sidecars find each
//! other, keys are pinned.

use std::collections::BTreeMap;

use byzantine_operator::facts::Facts;
use byzantine_operator::names;
use byzantine_operator::object::{Existing, Kind};
use byzantine_operator::report::{PeerReport, Report};
use byzantine_proof::{Member, Membership, ReplicaId, SecretKey, ServiceName};
use serde_json::{Value, json};

use crate::cluster::Inner;
use crate::random::Random;

pub(crate) const NAME: &str = "wallet";
pub(crate) const REPLICAS: u32 = 4;

/// Steps until a pod's containers run, it is ready, and it has caught up.
const RUNS: u64 = 1;
const READY: u64 = 3;
const CAUGHT_UP: u64 = 5;

const EXECUTED: u64 = 1000;

/// One step of everything but the operator.
pub(crate) fn step(inner: &mut Inner, random: &mut Random) {
    for ordinal in 0..REPLICAS {
        collect_garbage(inner, ordinal);
        match pod(inner, ordinal).cloned() {
            Some(pod) if pod.is_going() && random.one_in(2) => {
                inner.remove(Kind::Pod, &names::pod(NAME, ordinal));
            }
            Some(pod) => grow_older(inner, ordinal, &pod),
            None if random.one_in(2) => make(inner, random, ordinal),
            None => {}
        }
    }
    pin(inner);
    let back = inner
        .disturbed
        .is_some_and(|ordinal| is_back(inner, ordinal));
    if back {
        inner.disturbed = None;
    }
}

/// A pod goes with the `StatefulSet` that made it.
fn collect_garbage(inner: &mut Inner, ordinal: u32) {
    let set = inner.object(Kind::StatefulSet, &names::replica(NAME, ordinal));
    let maker = set.map(|set| set.uid().to_owned());
    let orphan = pod(inner, ordinal).is_some_and(|pod| pod.controller() != maker.as_deref());
    if orphan {
        inner.remove(Kind::Pod, &names::pod(NAME, ordinal));
    }
}

fn pod(inner: &Inner, ordinal: u32) -> Option<&Existing> {
    inner.object(Kind::Pod, &names::pod(NAME, ordinal))
}

fn age(pod: &Existing) -> u64 {
    pod.body["age"].as_u64().unwrap_or_default()
}

fn is_broken(pod: &Existing) -> bool {
    app_image(pod).contains("broken")
}

pub(crate) fn app_image(pod: &Existing) -> String {
    let image = &pod.body["spec"]["containers"][0]["image"];
    image.as_str().unwrap_or_default().to_owned()
}

fn runs(inner: &Inner, ordinal: u32) -> bool {
    pod(inner, ordinal).is_some_and(|pod| age(pod) >= RUNS && !pod.is_going())
}

fn is_ready(inner: &Inner, ordinal: u32) -> bool {
    let ready = |pod: &Existing| age(pod) >= READY && !pod.is_going() && !is_broken(pod);
    pod(inner, ordinal).is_some_and(ready)
}

/// Ready and caught up.
pub(crate) fn is_well(inner: &Inner, ordinal: u32) -> bool {
    is_ready(inner, ordinal) && facts_say(inner, |facts| facts.is_caught_up(ordinal))
}

fn facts_say(inner: &Inner, says: impl Fn(&Facts<'_>) -> bool) -> bool {
    says(&Facts::new(&reports(inner), 1, 128))
}

/// Whether the replica that the operator took is back, or nobody could tell.
fn is_back(inner: &Inner, ordinal: u32) -> bool {
    let reports = reports(inner);
    let facts = Facts::new(&reports, 1, 128);
    let others = (0..REPLICAS).filter(|other| *other != ordinal);
    let voting = others.filter(|other| facts.participates(*other)).count();
    let nobody_tells = !has_membership(inner) || voting + 1 < 3;
    is_well(inner, ordinal) || nobody_tells && runs(inner, ordinal)
}

pub(crate) fn has_membership(inner: &Inner) -> bool {
    inner
        .object(Kind::ConfigMap, &names::epoch_config_map(NAME, 0))
        .is_some()
}

/// The `StatefulSet`'s pod, perhaps from a template that is not the newest any more.
fn make(inner: &mut Inner, random: &mut Random, ordinal: u32) {
    let claim = names::ledger_claim(NAME, ordinal);
    if inner.object(Kind::PersistentVolumeClaim, &claim).is_none() {
        return;
    }
    let age = if random.one_in(6) {
        1 + random.below(3)
    } else {
        0
    };
    let key = (Kind::StatefulSet, names::replica(NAME, ordinal));
    let Some(set) = inner.state.objects.get(&key) else {
        return;
    };
    let template =
        inner.aged(age).objects.get(&key).unwrap_or(set).body["spec"]["template"].clone();
    let owner = json!([{"controller": true, "uid": set.uid()}]);
    let mut body = template;
    body["metadata"]["ownerReferences"] = owner;
    body["age"] = json!(0);
    inner.put(Kind::Pod, &names::pod(NAME, ordinal), body);
}

fn grow_older(inner: &mut Inner, ordinal: u32, pod: &Existing) {
    let (mut body, older) = (pod.body.clone(), age(pod) + 1);
    if older > CAUGHT_UP + 1 {
        return;
    }
    let ready = older >= READY && !is_broken(pod);
    let running = json!({"running": {}});
    let state = if older >= RUNS {
        running
    } else {
        json!({"waiting": {}})
    };
    body["age"] = json!(older);
    body["status"] = json!({
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
        "initContainerStatuses": [{"name": "sidecar", "state": state}],
        "containerStatuses": [{"name": "app", "ready": ready, "state": state}],
    });
    inner.put(Kind::Pod, &names::pod(NAME, ordinal), body);
}

/// What the sidecars that run say.
pub(crate) fn reports(inner: &Inner) -> BTreeMap<u32, Report> {
    if !has_membership(inner) {
        return BTreeMap::new();
    }
    let executed = |ordinal| {
        let pod = pod(inner, ordinal);
        let near = pod.is_some_and(|pod| age(pod) >= CAUGHT_UP && !is_broken(pod));
        if near { EXECUTED } else { 0 }
    };
    let running = (0..REPLICAS).filter(|ordinal| runs(inner, *ordinal));
    let report = |replica: u32| Report {
        replica,
        executed_sequence: EXECUTED,
        peers: (0..REPLICAS)
            .filter(|peer| *peer != replica)
            .map(|peer| PeerReport {
                replica: peer,
                connected: runs(inner, peer),
                executed_sequence: executed(peer),
            })
            .collect(),
        ..Report::default()
    };
    running.map(|replica| (replica, report(replica))).collect()
}

/// Once all sidecars run, their keys are pinned for ever.
fn pin(inner: &mut Inner) {
    let all = (0..REPLICAS).all(|ordinal| runs(inner, ordinal));
    if has_membership(inner) || !all {
        return;
    }
    let service = ServiceName::new(NAME, "default", "cluster.local").unwrap();
    let key = |seed: u8| SecretKey::from_seed(&[seed; 32]).public_key();
    let member = |id: u8| Member {
        id: ReplicaId(id),
        vote: key(3 * id + 1),
        cosigner: key(3 * id + 2),
        link: key(3 * id + 3),
    };
    let members = (0..4).map(member).collect();
    let membership = Membership::new(service, 0, 1, 3, members).unwrap();
    let body: Value = json!({
        "metadata": {
            "labels": names::labels(NAME),
            "ownerReferences": [{"controller": true, "uid": "the-service"}],
        },
        "data": {"membership": membership.to_text()},
    });
    inner.put(Kind::ConfigMap, &names::epoch_config_map(NAME, 0), body);
}
