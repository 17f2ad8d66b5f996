//! What the operator owns it keeps as it should be, and takes along when the service goes.

use std::collections::BTreeMap;

use byzantine_acceptance::{Call, Client};
use byzantine_e2e::cluster::eventually;
use byzantine_e2e::customer::persist;
use byzantine_e2e::service::{LIMIT, wallet};
use byzantine_e2e::{Cluster, Namespace, Service};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s5_ownership_drift_deletion_and_neighbours() {
    let (here, there) = (Namespace::new("e2e-here"), Namespace::new("e2e-there"));
    let mut kept = wallet(here.name(), "twin");
    kept["spec"]["storage"]["retention"] = json!("Retain");
    let first = Service::apply(here.cluster(), &kept);
    let second = Service::apply(there.cluster(), &wallet(there.name(), "twin"));
    first.full_strength();
    second.full_strength();

    drift_is_undone(&first);
    neighbours_do_not_meet(&first, &second).await;
    volumes_go_by_retention(&first, &second, &kept).await;
}

fn drift_is_undone(service: &Service) {
    let (cluster, namespace) = (Cluster::find(), service.namespace());
    for object in [
        "service/twin",
        "pdb/twin",
        "networkpolicy/twin",
        "configmap/twin-byzantine",
    ] {
        let before = uid(cluster, namespace, object);
        cluster.kubectl(&["delete", object, "--namespace", namespace]);
        eventually(object, LIMIT, || match uid(cluster, namespace, object) {
            Some(now) if Some(&now) != before.as_ref() => Ok(()),
            other => Err(format!("{other:?}")),
        });
        println!("  put back after deletion: {object}");
    }
    edited(
        cluster,
        namespace,
        "service/twin",
        &json!({"spec": {"ports": [{"port": 81}]}}),
        "\"port\": 81",
    );
    let scaled = json!({"spec": {"replicas": 0}});
    edited(
        cluster,
        namespace,
        "statefulset/twin-1",
        &scaled,
        "\"replicas\": 0",
    );
    service.full_strength();
}

fn uid(cluster: Cluster, namespace: &str, object: &str) -> Option<String> {
    let found = cluster.find_json(&[object, "--namespace", namespace])?;
    found["metadata"]["uid"].as_str().map(str::to_owned)
}

/// Somebody edits an object by hand; what they wrote is gone again soon.
fn edited(cluster: Cluster, namespace: &str, object: &str, patch: &Value, trace: &str) {
    let patch = patch.to_string();
    let arguments = [
        "patch",
        object,
        "--namespace",
        namespace,
        "--type=merge",
        "--patch",
        &patch,
    ];
    cluster.kubectl(&arguments);
    eventually(object, LIMIT, || {
        let mut now = cluster.json(&[object, "--namespace", namespace]);
        now["metadata"] = Value::Null;
        let text = format!("{:#}", now["spec"]);
        if text.contains(trace) {
            Err(text)
        } else {
            Ok(())
        }
    });
    println!("  put back after an edit: {object}");
}

/// The same name in two namespaces: other keys, other money.
async fn neighbours_do_not_meet(first: &Service, second: &Service) {
    let (here, there) = (first.policy(), second.policy());
    assert_ne!(here.to_string(), there.to_string());
    let open = Call::post("/accounts", &json!({"owner": "ada", "opening": 70}), "ada");
    let mut refusals = BTreeMap::new();
    let opened = persist(&first.door(), &here, &open, &mut refusals).await;
    assert_eq!(opened.expect("it answers").status(), 201);
    let ask = Call::get("/accounts/ada", "is-ada-there");
    let asked = persist(&second.door(), &there, &ask, &mut refusals).await;
    assert_eq!(
        asked.expect("it answers").status(),
        404,
        "ada is known next door"
    );
    let door = first.door();
    let wrong = Client::new(vec![door.url()], there);
    let answer = wrong.once(&Call::get("/accounts/ada", "whose"), 0).await;
    assert!(
        answer.is_err(),
        "an answer verifies under the neighbour's policy"
    );
}

async fn volumes_go_by_retention(first: &Service, second: &Service, manifest: &Value) {
    let cluster = Cluster::find();
    let pinned = first.policy().to_string();
    for service in [first, second] {
        let namespace = service.namespace();
        cluster.kubectl(&["delete", "bzs", "twin", "--namespace", namespace]);
        eventually("what it owned is gone", LIMIT, || {
            nothing_left(cluster, namespace)
        });
    }
    assert_eq!(
        claims(cluster, first.namespace()).len(),
        8,
        "Retain keeps them"
    );
    eventually("Delete removes them", LIMIT, || {
        let left = claims(cluster, second.namespace());
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
    let again = Service::apply(cluster, manifest);
    again.ready();
    assert_eq!(
        again.policy().to_string(),
        pinned,
        "the keys are on the volumes"
    );
    let ask = Call::get("/accounts/ada", "still-there");
    let asked = persist(&again.door(), &again.policy(), &ask, &mut BTreeMap::new()).await;
    assert_eq!(asked.expect("it answers").json()["balance"], 70);
    println!("  deleted and made again: the same keys, the same balances");
}

fn nothing_left(cluster: Cluster, namespace: &str) -> Result<(), String> {
    let kinds = "pods,statefulsets,services,configmaps,pdb,networkpolicies,controllerrevisions";
    let selector = "--selector=byzantine.dev/service=twin";
    let left = [
        "get",
        kinds,
        selector,
        "--output=name",
        "--namespace",
        namespace,
    ];
    let left = cluster.kubectl(&left);
    if left.trim().is_empty() {
        Ok(())
    } else {
        Err(left)
    }
}

fn claims(cluster: Cluster, namespace: &str) -> Vec<String> {
    let selector = "--selector=byzantine.dev/service=twin";
    let list = [
        "get",
        "pvc",
        selector,
        "--output=name",
        "--namespace",
        namespace,
    ];
    cluster.kubectl(&list).lines().map(str::to_owned).collect()
}
