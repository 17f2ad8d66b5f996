//! The names, labels and ports of everything that belongs to a service.

use std::collections::BTreeMap;

/// Who applied a field: everything that the operator writes carries this.
pub const FIELD_MANAGER: &str = "byzantine-operator";

/// Which service an object belongs to.
pub const SERVICE_LABEL: &str = "byzantine.dev/service";

/// Which replica an object belongs to.
pub const REPLICA_LABEL: &str = "byzantine.dev/replica";

/// The template revision that a pod was made from.
pub const REVISION_ANNOTATION: &str = "byzantine.dev/revision";

/// Why a revision must not be tried again.
pub const FAILED_ANNOTATION: &str = "byzantine.dev/failed";

/// The incarnation for which a ledger volume was made.
pub const INCARNATION_ANNOTATION: &str = "byzantine.dev/incarnation";

/// The gateway's port.
pub const HTTP_PORT: u16 = 15080;

/// The port for the other replicas.
pub const PEER_PORT: u16 = 15081;

/// The port for metrics, health and status.
pub const ADMIN_PORT: u16 = 15082;

/// The enrolment server's port.
pub const ENROLMENT_PORT: u16 = 8443;

/// The audience of the tokens with which sidecars enrol.
pub const TOKEN_AUDIENCE: &str = "byzantine-operator";

/// `ConfigMap` with the sidecars' configuration and the CA of the enrolment server.
pub fn config_map(service: &str) -> String {
    format!("{service}-byzantine")
}

/// `ConfigMap` with the membership of an epoch.
pub fn epoch_config_map(service: &str, epoch: u64) -> String {
    format!("{service}-epoch-{epoch}")
}

/// `ConfigMap` with the public keys that are pinned while others are missing.
pub fn enrolment_config_map(service: &str) -> String {
    format!("{service}-enrolment")
}

/// The replica's headless Service and `StatefulSet`.
pub fn replica(service: &str, ordinal: u32) -> String {
    format!("{service}-{ordinal}")
}

/// The replica's pod.
pub fn pod(service: &str, ordinal: u32) -> String {
    format!("{service}-{ordinal}-0")
}

/// The claim of the replica's ledger.
pub fn ledger_claim(service: &str, ordinal: u32) -> String {
    format!("{service}-{ordinal}-ledger")
}

/// The claim of the replica's app.
pub fn app_claim(service: &str, ordinal: u32) -> String {
    format!("{service}-{ordinal}-app")
}

/// The labels of everything that belongs to the service.
pub fn labels(service: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "byzantine"),
        ("app.kubernetes.io/instance", service),
        ("app.kubernetes.io/managed-by", FIELD_MANAGER),
        (SERVICE_LABEL, service),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// The labels of what belongs to one replica.
pub fn replica_labels(service: &str, ordinal: u32) -> BTreeMap<String, String> {
    let mut labels = labels(service);
    labels.insert(REPLICA_LABEL.to_owned(), ordinal.to_string());
    labels
}

/// Selects the service's pods.
pub fn selector(service: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(SERVICE_LABEL.to_owned(), service.to_owned())])
}

/// Selects the replica's pod.
pub fn replica_selector(service: &str, ordinal: u32) -> BTreeMap<String, String> {
    let mut selector = selector(service);
    selector.insert(REPLICA_LABEL.to_owned(), ordinal.to_string());
    selector
}
