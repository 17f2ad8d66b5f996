//! What an attacker inside the cluster finds: nothing.

mod enrolment;
mod secrets;

use std::time::Duration;

use byzantine_e2e::node::{Node, TOOL};
use byzantine_e2e::service::wallet;
use byzantine_e2e::{Namespace, Service};
use serde_json::Value;

#[test]
fn s6_security_of_keys_ports_rights_and_enrolment() {
    let namespace = Namespace::new("e2e-security");
    let node = Node::enter();
    let service = Service::apply(namespace.cluster(), &wallet(namespace.name(), "vault"));
    service.full_strength();

    pods_are_restricted(&service);
    pods_have_no_rights(&namespace);
    intruders_are_not_let_in(&namespace);
    enrolment::only_the_pod_itself_enrols(&namespace, &service);
    secrets::private_keys_are_nowhere_else(&namespace, &service, &node);
}

/// The namespace enforces it; this says it again of what is easily forgotten.
fn pods_are_restricted(service: &Service) {
    let pod = service.find_pod(0).expect("a replica");
    let spec = &pod["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    let containers = ["initContainers", "containers"];
    let containers = containers
        .iter()
        .flat_map(|list| spec[list].as_array().cloned().unwrap_or_default());
    for container in containers {
        let context = &container["securityContext"];
        assert_eq!(
            context["readOnlyRootFilesystem"], true,
            "{}",
            container["name"]
        );
        assert_eq!(
            context["allowPrivilegeEscalation"], false,
            "{}",
            container["name"]
        );
    }
    let app = spec["containers"][0]["volumeMounts"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let paths: Vec<_> = app
        .iter()
        .filter_map(|mount| mount["mountPath"].as_str())
        .collect();
    assert!(
        paths
            .iter()
            .all(|path| !path.contains("byzantine") && !path.contains("secrets"))
    );
}

/// The account of the pods can read nothing of the API, not even with a token.
fn pods_have_no_rights(namespace: &Namespace) {
    let account = format!("system:serviceaccount:{}:default", namespace.name());
    for (verb, kind) in [
        ("get", "configmaps"),
        ("list", "pods"),
        ("get", "byzantineservices"),
    ] {
        let may = namespace.cluster().try_kubectl(&[
            "auth",
            "can-i",
            verb,
            kind,
            "--namespace",
            namespace.name(),
            "--as",
            &account,
        ]);
        assert_eq!(may.output.trim(), "no", "{verb} {kind}");
    }
}

/// A pod with a certificate of its own making talks TLS to a peer port, and hears nothing.
fn intruders_are_not_let_in(namespace: &Namespace) {
    let (cluster, space) = (namespace.cluster(), namespace.name());
    let peer = format!("vault-1.{space}.svc:15081");
    cluster.apply(&format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: intruder, namespace: {space}}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    seccompProfile: {{type: RuntimeDefault}}
  containers:
    - name: knock
      image: {TOOL}
      imagePullPolicy: IfNotPresent
      command: [/byzantine-e2e-tool, knock, '{peer}']
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"
    ));
    let ended = "jsonpath={.status.phase}=Succeeded";
    cluster.wait(space, "pod/intruder", ended, Duration::from_mins(1));
    let said = cluster.log(space, "intruder", "knock");
    println!("    intruder at {peer}: {}", said.trim());
    assert!(said.starts_with("refused"), "{said}");
}

/// All strings of a JSON value.
fn strings(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, into)),
        Value::Object(fields) => fields.values().for_each(|item| strings(item, into)),
        _ => {}
    }
}
