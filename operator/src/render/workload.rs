//! One `StatefulSet` a replica: a template of its own, and a pod that comes back without the
//! operator.

use serde_json::{Value, json};

use super::Subject;
use crate::names;
use crate::object::{Kind, Object};

/// The `StatefulSet` that keeps a replica's pod alive. Its template says what the *next* pod is,
/// so it changes only when the pod is about to be replaced.
pub fn stateful_set(subject: Subject<'_>, ordinal: u32, template: &Value) -> Object {
    let name = names::replica(&subject.name(), ordinal);
    let spec = json!({
        "replicas": 1,
        "serviceName": name,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "revisionHistoryLimit": 1,
        "selector": {"matchLabels": names::replica_selector(&subject.name(), ordinal)},
        "template": template,
    });
    let body = json!({"metadata": subject.replica_metadata(ordinal), "spec": spec});
    Object::new(Kind::StatefulSet, name, body)
}
