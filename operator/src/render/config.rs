//! The sidecars' configuration.

use std::collections::BTreeMap;

use byzantine_resource::{Http, Spec};
use serde_json::{Value, json};

use super::Subject;
use crate::names;
use crate::object::{Kind, Object, compact};
use crate::settings::Settings;

/// The key of the newest configuration.
const NEWEST: &str = "sidecar.yaml";

/// The key under which a configuration is mounted by the pods that were made for it.
pub(super) fn key(config: &str) -> String {
    format!("sidecar-{}.yaml", crate::digest::short(&json!(config)))
}

/// The configuration that all replicas share, as YAML. `http` may be older than the spec's: it
/// changes for all replicas at once or not at all.
pub fn sidecar_config(subject: Subject<'_>, http: &Http) -> String {
    let spec = &subject.service.spec;
    let (name, namespace) = (subject.name(), subject.service.namespace_name());
    let peer = |ordinal| {
        let replica = names::replica(&name, ordinal);
        format!("{replica}.{namespace}.svc:{}", names::PEER_PORT)
    };
    let config = json!({
        "membership": "/var/lib/byzantine/membership",
        "keys": "/var/lib/byzantine/keys",
        "data": "/var/lib/byzantine/data",
        "listen": {
            "http": format!("0.0.0.0:{}", names::HTTP_PORT),
            "peer": format!("0.0.0.0:{}", names::PEER_PORT),
            "admin": format!("0.0.0.0:{}", names::ADMIN_PORT),
        },
        "peers": subject.ordinals().map(peer).collect::<Vec<_>>(),
        "app": app(spec),
        "http": settings_of(spec, http),
        "consensus": consensus(spec),
        "proofs": {"transport": spec.proofs.transport},
        "storage": {"keepBodies": spec.storage.ledger.keep_bodies},
        "log": {"format": spec.sidecar.log_format, "level": spec.sidecar.log_level},
        "enrolment": enrolment(&subject.service.origin_stem(), subject.settings),
    });
    serde_yaml::to_string(&compact(config)).expect("a configuration is plain data")
}

fn app(spec: &Spec) -> Value {
    let state = &spec.app.state;
    json!({
        "address": format!("127.0.0.1:{}", spec.app.port),
        "healthPath": spec.app.health_path,
        "timeout": spec.app.timeout,
        "state": {
            "type": state.kind,
            "appliedPath": state.applied_path,
            "snapshotPath": state.snapshot_path,
        },
    })
}

fn settings_of(spec: &Spec, http: &Http) -> Value {
    json!({
        "maxBodyBytes": http.max_body_bytes,
        "keyRetention": http.key_retention,
        "dropRequestHeaders": http.drop_request_headers,
        "dropResponseHeaders": http.drop_response_headers,
        "coveredRequestHeaders": http.covered_request_headers,
        "unorderedPaths": http.unordered_paths,
        "corsAllowOrigins": spec.http.cors.allow_origins,
    })
}

fn consensus(spec: &Spec) -> Value {
    let consensus = &spec.consensus;
    json!({
        "requestTimeout": consensus.request_timeout,
        "viewChangeTimeout": consensus.view_change_timeout,
        "checkpointInterval": consensus.checkpoint_interval,
        "clockBound": consensus.clock_bound,
    })
}

fn enrolment(service: &str, settings: &Settings) -> Value {
    json!({
        "url": settings.enrolment_url(),
        "caFile": "/etc/byzantine/ca.crt",
        "tokenFile": "/var/run/secrets/byzantine/token",
        "service": service,
    })
}

/// The `ConfigMap` with every configuration that a replica may still be made with, the newest one,
/// and the authority of the enrolment server.
pub fn config_map(subject: Subject<'_>, newest: &str, assigned: &[&str]) -> Object {
    let mut data: BTreeMap<String, &str> = BTreeMap::from([
        (NEWEST.to_owned(), newest),
        ("ca.crt".to_owned(), subject.settings.authority.as_str()),
    ]);
    for config in assigned {
        data.insert(key(config), config);
    }
    let body = json!({"metadata": subject.metadata(), "data": data});
    Object::new(Kind::ConfigMap, names::config_map(&subject.name()), body)
}
