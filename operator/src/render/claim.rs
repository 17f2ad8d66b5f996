//! Volumes. They are plain claims: claim templates would silently recreate a lost one, and could
//! not grow.

use byzantine_resource::Retention;
use serde_json::{Value, json};

use super::Subject;
use crate::names;
use crate::object::{Kind, Object, compact};

/// Which of a replica's volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// The sidecar's keys, journal and ledger.
    Ledger,
    /// The app's data.
    App,
}

/// The claim of a replica's volume, made for that incarnation. With `Retain` nothing owns it, so
/// that it outlives the resource.
pub fn claim(subject: Subject<'_>, ordinal: u32, volume: Volume, incarnation: u64) -> Object {
    let (name, storage) = (subject.name(), &subject.service.spec.storage);
    let (name, size, class, mode) = match volume {
        Volume::Ledger => (
            names::ledger_claim(&name, ordinal),
            &storage.ledger.size,
            &storage.ledger.storage_class_name,
            &storage.ledger.access_mode,
        ),
        Volume::App => (
            names::app_claim(&name, ordinal),
            &storage.app.size,
            &storage.app.storage_class_name,
            &storage.app.access_mode,
        ),
    };
    let spec = compact(json!({
        "accessModes": [mode],
        "storageClassName": class,
        "resources": {"requests": {"storage": size}},
    }));
    let metadata = metadata(subject, ordinal, incarnation);
    let body = json!({"metadata": metadata, "spec": spec});
    Object::new(Kind::PersistentVolumeClaim, name, body)
}

fn metadata(subject: Subject<'_>, ordinal: u32, incarnation: u64) -> Value {
    let mut metadata = subject.replica_metadata(ordinal);
    metadata["annotations"] = json!({names::INCARNATION_ANNOTATION: incarnation.to_string()});
    if subject.service.spec.storage.retention == Retention::Retain {
        metadata["ownerReferences"] = json!([]);
    }
    metadata
}

/// The size that a claim asks for, as text.
pub fn size_of(claim: &Value) -> Option<&str> {
    claim.pointer("/spec/resources/requests/storage")?.as_str()
}
