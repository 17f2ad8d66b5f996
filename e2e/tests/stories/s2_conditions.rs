//! What goes wrong before a service ever runs, and what the user is told: cause and next step.

use byzantine_e2e::service::wallet;
use byzantine_e2e::{Namespace, Service};
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
