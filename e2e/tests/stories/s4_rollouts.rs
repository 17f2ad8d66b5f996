//! New versions come in one replica at a time, the primary last, and a broken one stops by itself.

use std::collections::BTreeSet;
use std::time::Instant;

use byzantine_e2e::cluster::eventually;
use byzantine_e2e::service::{LIMIT, wallet};
use byzantine_e2e::{Cluster, Customer, Namespace, Service, chart};
use serde_json::{Value, json};

/// Another name for the images that are there, so that they count as new versions.
const NEXT: &str = "next";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_rollouts_never_spend_the_fault_budget() {
    let namespace = Namespace::new("e2e-rollouts");
    let mut manifest = wallet(namespace.name(), "shop");
    manifest["spec"]["sidecar"] = json!({});
    let service = Service::apply(namespace.cluster(), &manifest);
    service.full_strength();
    let customer = Customer::start(service.door(), service.policy(), "shopper");

    switch_holds_back(&service);
    rolls(
        &service,
        "sidecar image",
        &json!({"sidecar": {"image": "byzantine/sidecar-test:dev"}}),
    );
    let resources = json!({"requests": {"cpu": "20m", "memory": "32Mi"}});
    rolls(
        &service,
        "resources",
        &json!({"app": {"resources": resources}}),
    );
    service.patch(&json!({"spec": {"rollout": {"app": "Rolling"}}}));
    let environment = json!([{"name": "RELEASE", "value": NEXT}]);
    rolls(
        &service,
        "app under Rolling",
        &json!({"app": {"env": environment}}),
    );
    a_broken_image_stops(&service);
    the_operator_itself(&namespace, &service);

    customer.satisfied().await;
}

/// Changes the spec and watches every pod until all are new: never two away, the primary last.
fn rolls(service: &Service, what: &str, change: &Value) {
    let before = Pods::of(service);
    let started = Instant::now();
    service.patch(&json!({"spec": change}));
    let mut order: Vec<u64> = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    eventually(what, LIMIT * 2, || {
        let turn = Turn::of(service).filter(|turn| !turns.iter().any(|old| old.is(turn)));
        turns.extend(turn);
        let now = Pods::of(service);
        assert!(
            now.away() <= 1,
            "{what}: more than one replica is away: {now:?}"
        );
        order.extend(
            now.new_since(&before)
                .difference(&order.iter().copied().collect()),
        );
        if order.len() == 4 && now.away() == 0 {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    });
    println!(
        "  {what}: replicas {order:?} in {:.0} s",
        started.elapsed().as_secs_f64()
    );
    let last = order.last().copied();
    let early = turns
        .iter()
        .find(|turn| turn.of_primary && Some(turn.replica) != last);
    assert!(early.is_none(), "{what}: the primary goes last: {early:?}");
    service.comes_to("Progressing", "UpToDate");
    service.full_strength();
}

/// The replacement of a replica, when it was first seen in the status. A busy node may elect
/// another primary meanwhile, so each is judged by the primary of its own time.
#[derive(Debug)]
struct Turn {
    replica: u64,
    of_primary: bool,
}

impl Turn {
    fn of(service: &Service) -> Option<Self> {
        let status = service.object()["status"].take();
        let replica = status["replacing"]["ordinal"].as_u64()?;
        let of_primary = status["primary"].as_u64() == Some(replica);
        Some(Self {
            replica,
            of_primary,
        })
    }

    const fn is(&self, other: &Self) -> bool {
        self.replica == other.replica
    }
}

/// What `kubectl get pods` shows of a service: UIDs and readiness by replica.
#[derive(Debug, Clone)]
struct Pods(Vec<(u64, String, bool)>);

impl Pods {
    fn of(service: &Service) -> Self {
        let selector = format!("--selector=byzantine.dev/service={}", service.name());
        let cluster = Cluster::find();
        let list = cluster.json(&["pods", "--namespace", service.namespace(), &selector]);
        let pods = list["items"].as_array().cloned().unwrap_or_default();
        Self(pods.iter().map(Self::one).collect())
    }

    fn one(pod: &Value) -> (u64, String, bool) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let replica = text(&pod["metadata"]["labels"]["byzantine.dev/replica"]);
        let conditions = pod["status"]["conditions"].as_array().cloned();
        let ready = conditions
            .unwrap_or_default()
            .iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        let leaving = pod["metadata"]["deletionTimestamp"].is_string();
        let replica = replica.parse().expect("the label is a number");
        (replica, text(&pod["metadata"]["uid"]), ready && !leaving)
    }

    /// How many replicas are not serving.
    fn away(&self) -> usize {
        let serving: BTreeSet<_> = self.0.iter().filter(|pod| pod.2).map(|pod| pod.0).collect();
        4 - serving.len()
    }

    fn new_since(&self, before: &Self) -> BTreeSet<u64> {
        let old: BTreeSet<_> = before.0.iter().map(|pod| &pod.1).collect();
        let new = self.0.iter().filter(|pod| !old.contains(&pod.1));
        new.map(|pod| pod.0).collect()
    }
}

/// Under Switch, the default, a change of the app waits, and says for what.
fn switch_holds_back(service: &Service) {
    let before = Pods::of(service);
    service.patch(&json!({"spec": {"app": {"image": "byzantine/wallet:next"}}}));
    let held = service.comes_to("Progressing", "Stalled");
    println!("  held back: {}", held.message);
    assert!(
        held.message.contains("Rolling"),
        "the choice is named: {held:?}"
    );
    service.patch(&json!({"spec": {"app": {"image": "byzantine/wallet:dev"}}}));
    service.comes_to("Progressing", "UpToDate");
    assert!(
        Pods::of(service).new_since(&before).is_empty(),
        "no pod was touched"
    );
}

/// One replica tries it and fails; the others keep what they have, and putting it back heals.
fn a_broken_image_stops(service: &Service) {
    let before = Pods::of(service);
    let broken = json!({
        "rollout": {"timeout": "15s"},
        "sidecar": {"image": "nobody/has-this:2"},
    });
    service.patch(&json!({"spec": broken}));
    let stalled = service.comes_to("Progressing", "Stalled");
    println!("  broken image: {}", stalled.message);
    let touched = Pods::of(service).new_since(&before);
    assert!(touched.len() <= 1, "only one replica tried it: {touched:?}");
    let image = json!({"image": "byzantine/sidecar-test:dev"});
    service.patch(&json!({"spec": {"rollout": {"timeout": "10m"}, "sidecar": image}}));
    service.comes_to("Progressing", "UpToDate");
    service.full_strength();
}

/// A new operator touches no replica.
fn the_operator_itself(namespace: &Namespace, service: &Service) {
    let before = Pods::of(service);
    chart::upgrade(&["podAnnotations.release=next"]);
    service.full_strength();
    let touched = Pods::of(service).new_since(&before);
    assert!(touched.is_empty(), "a new operator replaced {touched:?}");
    let restarted = namespace.cluster().kubectl(&[
        "get",
        "pods",
        "--namespace",
        chart::NAMESPACE,
        "--output=jsonpath={.items[*].metadata.annotations.release}",
    ]);
    assert!(restarted.contains("next"), "{restarted}");
    println!("  operator: replaced, and no replica with it");
}
