//! Names and ports: one Service for clients, one for each replica's peers.

use serde_json::json;

use super::Subject;
use crate::names;
use crate::object::{Kind, Object};

/// How clients reach the gateways: all that are ready.
pub fn client_service(subject: Subject<'_>) -> Object {
    let exposure = &subject.service.spec.service;
    let mut metadata = subject.metadata();
    metadata["annotations"] = json!(exposure.annotations);
    let port = json!({
        "name": "http",
        "protocol": "TCP",
        "port": exposure.port,
        "targetPort": names::HTTP_PORT,
    });
    let spec = json!({
        "type": exposure.kind,
        "selector": names::selector(&subject.name()),
        "ports": [port],
    });
    let body = json!({"metadata": metadata, "spec": spec});
    Object::new(Kind::Service, subject.name(), body)
}

/// How the other replicas reach one, also while it is not ready: else none ever would be.
pub fn peer_service(subject: Subject<'_>, ordinal: u32) -> Object {
    let name = subject.name();
    let port = |name: &str, port: u16| {
        let target = json!(port);
        json!({"name": name, "protocol": "TCP", "port": port, "targetPort": target})
    };
    let spec = json!({
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": names::replica_selector(&name, ordinal),
        "ports": [port("peer", names::PEER_PORT), port("admin", names::ADMIN_PORT)],
    });
    let body = json!({"metadata": subject.replica_metadata(ordinal), "spec": spec});
    Object::new(Kind::Service, names::replica(&name, ordinal), body)
}
