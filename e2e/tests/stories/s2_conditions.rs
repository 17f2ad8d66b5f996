//! What goes wrong before a service ever runs, and what the user is told: cause and next step.

use byzantine_e2e::cluster::eventually;
use byzantine_e2e::command::Ran;
use byzantine_e2e::service::{LIMIT, wallet};
use byzantine_e2e::{Cluster, Namespace, Service};
use serde_json::{Value, json};

#[test]
fn s2_conditions_name_cause_and_next_step() {
    let namespace = Namespace::new("e2e-conditions");
    // All at once, since each takes a while to be sure of.
    let unpullable = broken(
        &namespace,
        "unpullable",
        &json!({"app": {"image": "nobody/has-this:1"}}),
    );
    let unwell = broken(
        &namespace,
        "unwell",
        &json!({"app": {"healthPath": "/never"}}),
    );
    let homeless = broken(
        &namespace,
        "homeless",
        &json!({"template": {"nodeSelector": {"byzantine.dev/nowhere": "true"}}}),
    );
    conflicting(&namespace);

    told(&homeless, "Unschedulable", "node");
    told(&unpullable, "ImagePullFailed", "nobody/has-this:1");
    told(&unwell, "AppUnhealthy", "healthPath");
}

/// A wallet with one field that cannot work.
fn broken(namespace: &Namespace, name: &str, change: &Value) -> Service {
    let mut manifest = wallet(namespace.name(), name);
    merge(&mut manifest["spec"], change);
    Service::apply(namespace.cluster(), &manifest)
}

fn merge(into: &mut Value, change: &Value) {
    let Value::Object(fields) = change else {
        *into = change.clone();
        return;
    };
    for (name, value) in fields {
        merge(&mut into[name], value);
    }
}

fn told(service: &Service, reason: &str, cause: &str) {
    let condition = service.comes_to("Ready", reason);
    println!("    {}: {reason}: {}", service.name(), condition.message);
    assert_eq!(condition.status, "False");
    assert!(
        condition.message.contains(cause),
        "{condition:?} names not {cause}"
    );
    assert!(
        condition.message.len() > 40,
        "{condition:?} says not what to do"
    );
}

/// Somebody else's object has a name that the service needs: it is not touched.
fn conflicting(namespace: &Namespace) {
    let cluster = namespace.cluster();
    let foreign = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "taken-byzantine", "namespace": namespace.name()},
        "data": {"mine": "yes"},
    });
    cluster.apply(&foreign.to_string());
    let taken = Service::apply(cluster, &wallet(namespace.name(), "taken"));
    told(&taken, "NameConflict", "taken-byzantine");
    let kept = cluster.json(&[
        "configmap",
        "taken-byzantine",
        "--namespace",
        namespace.name(),
    ]);
    assert_eq!(kept["data"], json!({"mine": "yes"}));
}

/// Where a CRD that an older release left behind (`crds.keep`) has fewer rules, the operator says
/// what the API server would have said.
#[test]
fn s2_the_operator_refuses_what_an_older_crd_lets_through() {
    let namespace = Namespace::new("e2e-refused");
    let cluster = namespace.cluster();
    let _older = OlderCrd::installed(cluster);
    let mut manifest = wallet(namespace.name(), "crossed");
    manifest["spec"]["app"]["port"] = json!(15080);
    let applied = || {
        let ran = cluster.try_apply(&manifest.to_string());
        if ran.success { Ok(()) } else { Err(ran.errors) }
    };
    eventually("the API server follows the older CRD", LIMIT, applied);
    let crossed = Service::named(cluster, namespace.name(), "crossed");
    told(&crossed, "InvalidSpec", "15080");
    let objects = ["statefulsets", "--namespace", namespace.name()];
    assert_eq!(cluster.json(&objects)["items"], json!([]), "it was made");
    let object = ["byzantineservice", "crossed", "--namespace"];
    cluster.kubectl(&[&["delete"][..], &object, &[namespace.name()]].concat());
}

/// The CRD without its rule about ports, until this is dropped.
struct OlderCrd {
    cluster: Cluster,
    rules: Value,
}

const CRD: &str = "byzantineservices.byzantine.dev";

const RULES: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/app\
                     /properties/port/x-kubernetes-validations";

impl OlderCrd {
    fn installed(cluster: Cluster) -> Self {
        let crd = cluster.json(&["customresourcedefinition", CRD]);
        let rules = crd.pointer(RULES).expect("the CRD has the rule").clone();
        patch(cluster, &json!([{"op": "remove", "path": RULES}])).expected();
        Self { cluster, rules }
    }
}

impl Drop for OlderCrd {
    fn drop(&mut self) {
        let back = json!([{"op": "add", "path": RULES, "value": self.rules}]);
        if !patch(self.cluster, &back).success {
            eprintln!("the CRD lacks a rule now: `helm upgrade` puts it back");
        }
    }
}

fn patch(cluster: Cluster, patch: &Value) -> Ran {
    let patch = patch.to_string();
    let crd = ["patch", "customresourcedefinition", CRD, "--type=json"];
    cluster.try_kubectl(&[&crd[..], &["--patch", &patch]].concat())
}
