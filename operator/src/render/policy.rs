//! Limits: how many pods an eviction may take, and who may talk to whom.

use serde_json::{Value, json};

use super::Subject;
use crate::names;
use crate::object::{Kind, Object};

/// One pod at a time may be evicted, and none while another is unwell.
pub fn disruption_budget(subject: Subject<'_>) -> Object {
    let spec = json!({
        "minAvailable": subject.service.spec.replica_count().saturating_sub(1),
        "unhealthyPodEvictionPolicy": "IfHealthyBudget",
        "selector": {"matchLabels": names::selector(&subject.name())},
    });
    let body = json!({"metadata": subject.metadata(), "spec": spec});
    Object::new(Kind::PodDisruptionBudget, subject.name(), body)
}

/// The gateway and the read-only administration for anyone, peers for members, the app for nobody.
pub fn network_policy(subject: Subject<'_>) -> Object {
    let members = names::selector(&subject.name());
    let port = |port: u16| json!({"protocol": "TCP", "port": port});
    let open = json!({"ports": [port(names::HTTP_PORT), port(names::ADMIN_PORT)]});
    let peers: Value = json!({
        "from": [{"podSelector": {"matchLabels": members}}],
        "ports": [port(names::PEER_PORT)],
    });
    let spec = json!({
        "podSelector": {"matchLabels": members},
        "policyTypes": ["Ingress"],
        "ingress": [open, peers],
    });
    let body = json!({"metadata": subject.metadata(), "spec": spec});
    Object::new(Kind::NetworkPolicy, subject.name(), body)
}
