//! The pod of a replica: a native sidecar, and the app beside it.
//!
//! It passes the restricted Pod Security Standard. The app sees none of the sidecar's volumes.

use std::collections::BTreeMap;

use byzantine_resource::{EnvironmentVariable, FileMount, Spec, StateType};
use serde_json::{Value, json};

use super::revision::AppVersion;
use super::{Subject, config};
use crate::names;
use crate::object::compact;

/// The user, group and group of volumes in the containers.
const USER: u32 = 65532;

/// Seconds for which a token for enrolment is valid: the shortest that Kubernetes makes.
const TOKEN_SECONDS: u32 = 600;

/// The pod template of a replica.
pub(super) fn template(
    subject: Subject<'_>,
    ordinal: u32,
    app: &AppVersion,
    config: &str,
) -> Value {
    let template = &subject.service.spec.template;
    let mut spec = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "serviceAccountName": template.service_account_name,
        "securityContext": pod_security(),
        "terminationGracePeriodSeconds": template.termination_grace_period_seconds,
        "initContainers": [sidecar(subject, ordinal)],
        "containers": [application(&subject.service.spec, ordinal, app)],
        "volumes": volumes(subject, ordinal, app, config),
    });
    place(&mut spec, subject, ordinal);
    let mut labels = template.labels.clone();
    labels.extend(names::replica_labels(&subject.name(), ordinal));
    compact(json!({
        "metadata": {"labels": labels, "annotations": annotations(&template.annotations)},
        "spec": spec,
    }))
}

fn annotations(given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut annotations = given.clone();
    for (key, value) in [
        ("prometheus.io/scrape", "true".to_owned()),
        ("prometheus.io/port", names::ADMIN_PORT.to_string()),
        ("prometheus.io/path", "/metrics".to_owned()),
    ] {
        annotations.entry(key.to_owned()).or_insert(value);
    }
    annotations
}

/// On which nodes it may run, and next to whom.
fn place(spec: &mut Value, subject: Subject<'_>, ordinal: u32) {
    let wanted = &subject.service.spec;
    let template = &wanted.template;
    let mut nodes = template.node_selector.clone();
    let own = wanted.overrides.iter().find(|own| own.ordinal == ordinal);
    nodes.extend(own.map(|own| own.node_selector.clone()).unwrap_or_default());
    let fields = [
        ("nodeSelector", json!(nodes)),
        ("tolerations", json!(template.tolerations)),
        ("imagePullSecrets", json!(template.image_pull_secrets)),
        ("priorityClassName", json!(template.priority_class_name)),
        ("runtimeClassName", json!(template.runtime_class_name)),
        ("topologySpreadConstraints", spread(subject)),
    ];
    for (key, value) in fields {
        if !is_unset(&value) {
            spec[key] = value;
        }
    }
    if !template.affinity.is_empty() {
        spec["affinity"] = json!(template.affinity);
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// What the user wrote, else one replica a node and spread over zones as far as there are any.
fn spread(subject: Subject<'_>) -> Value {
    let template = &subject.service.spec.template;
    if !template.topology_spread_constraints.is_empty() || !template.affinity.is_empty() {
        return json!(template.topology_spread_constraints);
    }
    let over = |key: &str| {
        json!({
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": names::selector(&subject.name())},
        })
    };
    json!([
        over("kubernetes.io/hostname"),
        over("topology.kubernetes.io/zone")
    ])
}

fn pod_security() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

fn sidecar(subject: Subject<'_>, ordinal: u32) -> Value {
    let sidecar = &subject.service.spec.sidecar;
    let image = sidecar.image.as_ref();
    let port =
        |name: &str, port: u16| json!({"name": name, "containerPort": port, "protocol": "TCP"});
    json!({
        "name": "sidecar",
        "image": image.unwrap_or(&subject.settings.sidecar_image),
        "restartPolicy": "Always",
        "args": ["--config", "/etc/byzantine/sidecar.yaml", "--replica", ordinal.to_string()],
        "ports": [
            port("http", names::HTTP_PORT),
            port("peer", names::PEER_PORT),
            port("admin", names::ADMIN_PORT),
        ],
        "resources": sidecar.resources,
        "securityContext": container_security(),
        "startupProbe": probe("/livez", names::ADMIN_PORT, 1, 120),
        "livenessProbe": probe("/livez", names::ADMIN_PORT, 10, 6),
        "readinessProbe": probe("/readyz", names::ADMIN_PORT, 2, 3),
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/byzantine", "readOnly": true},
            {"name": "ledger", "mountPath": "/var/lib/byzantine"},
            {"name": "token", "mountPath": "/var/run/secrets/byzantine", "readOnly": true},
        ],
    })
}

fn probe(path: &str, port: impl Into<u32>, period: u32, failures: u32) -> Value {
    let port: u32 = port.into();
    json!({
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    })
}

fn application(spec: &Spec, ordinal: u32, version: &AppVersion) -> Value {
    let app = &spec.app;
    let mut security = container_security();
    for (key, value) in &app.security_context {
        security[key] = value.clone();
    }
    let drain = json!({"httpGet": {"path": "/wait-for-drain", "port": names::ADMIN_PORT}});
    let mut container = json!({
        "name": "app",
        "image": version.image,
        "env": environment(&version.env, app.port, ordinal),
        "ports": [{"name": "app", "containerPort": app.port, "protocol": "TCP"}],
        "securityContext": security,
        "startupProbe": probe(&app.health_path, app.port, 1, 300),
        "livenessProbe": probe("/livez/app", names::ADMIN_PORT, 5, 3),
        "lifecycle": {"preStop": drain},
        "volumeMounts": mounts(spec, &version.files),
    });
    let optional = [
        ("command", json!(version.command)),
        ("args", json!(version.args)),
        ("resources", json!(app.resources)),
    ];
    for (key, value) in optional {
        if !is_unset(&value) {
            container[key] = value;
        }
    }
    container
}

fn environment(given: &[EnvironmentVariable], port: u32, ordinal: u32) -> Vec<Value> {
    let own = [("PORT", port), ("BYZANTINE_REPLICA", ordinal)];
    let named = |name: &str| given.iter().any(|variable| variable.name == name);
    let own = own.into_iter().filter(|(name, _)| !named(name));
    let own = own.map(|(name, value)| json!({"name": name, "value": value.to_string()}));
    let given = given.iter().map(|variable| {
        compact(json!({
            "name": variable.name,
            "value": variable.value,
            "valueFrom": variable.value_from,
        }))
    });
    own.chain(given).collect()
}

fn mounts(spec: &Spec, files: &[FileMount]) -> Vec<Value> {
    let mut mounts = vec![json!({"name": "tmp", "mountPath": "/tmp"})];
    let state = &spec.app.state;
    if let Some(path) = state
        .mount_path
        .as_ref()
        .filter(|_| state.kind == StateType::Durable)
    {
        mounts.push(json!({"name": "app", "mountPath": path}));
    }
    for (i, file) in files.iter().enumerate() {
        let name = format!("files-{i}");
        mounts.push(json!({"name": name, "mountPath": file.mount_path, "readOnly": true}));
    }
    mounts
}

fn volumes(subject: Subject<'_>, ordinal: u32, app: &AppVersion, config: &str) -> Vec<Value> {
    let name = subject.name();
    let claim = |volume: &str, claim: String| {
        let source = json!({"claimName": claim});
        json!({"name": volume, "persistentVolumeClaim": source})
    };
    let mut volumes = vec![
        config_volume(&name, config),
        claim("ledger", names::ledger_claim(&name, ordinal)),
        token_volume(),
        json!({"name": "tmp", "emptyDir": {}}),
    ];
    if subject.service.spec.app.state.kind == StateType::Durable {
        volumes.push(claim("app", names::app_claim(&name, ordinal)));
    }
    for (i, file) in app.files.iter().enumerate() {
        volumes.push(file_volume(&format!("files-{i}"), file));
    }
    volumes
}

/// The configuration of this revision and no other.
fn config_volume(service: &str, config: &str) -> Value {
    let items = json!([
        {"key": config::key(config), "path": "sidecar.yaml"},
        {"key": "ca.crt", "path": "ca.crt"},
    ]);
    let source = json!({"name": names::config_map(service), "items": items});
    json!({"name": "config", "configMap": source})
}

fn token_volume() -> Value {
    let token = json!({
        "audience": names::TOKEN_AUDIENCE,
        "expirationSeconds": TOKEN_SECONDS,
        "path": "token",
    });
    json!({"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}})
}

fn file_volume(name: &str, file: &FileMount) -> Value {
    match (&file.config_map, &file.secret) {
        (Some(map), _) => json!({"name": name, "configMap": {"name": map}}),
        (None, secret) => json!({"name": name, "secret": {"secretName": secret}}),
    }
}
