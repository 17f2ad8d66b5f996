//! Bounds of numbers, lengths of texts and lists, and how lists are merged.

use serde_json::{Value, json};

use super::path::at;

/// Numbers, with the smallest and the largest.
const RANGES: [(&str, u64, u64); 10] = [
    ("spec.faultTolerance", 1, 7),
    ("spec.replicas", 4, 22),
    ("spec.app.port", 1, 65_535),
    ("spec.http.maxBodyBytes", 1, 8 << 20),
    ("spec.consensus.replyQuorum", 3, 15),
    ("spec.consensus.checkpointInterval", 8, 4096),
    ("spec.service.port", 1, 65_535),
    ("spec.overrides[].ordinal", 0, 21),
    ("spec.overrides[].incarnation", 1, 1_000_000),
    ("spec.template.terminationGracePeriodSeconds", 10, 3600),
];

/// Texts, with the most characters.
const LENGTHS: [(&str, u64); 29] = [
    ("spec.app.image", 1024),
    ("spec.app.healthPath", 1024),
    ("spec.app.timeout", 32),
    ("spec.app.env[].name", 256),
    ("spec.app.files[].configMap", 253),
    ("spec.app.files[].secret", 253),
    ("spec.app.files[].mountPath", 1024),
    ("spec.app.state.appliedPath", 1024),
    ("spec.app.state.snapshotPath", 1024),
    ("spec.app.state.mountPath", 1024),
    ("spec.http.keyRetention", 32),
    ("spec.http.unorderedPaths[]", 1024),
    ("spec.http.dropRequestHeaders[]", 100),
    ("spec.http.dropResponseHeaders[]", 100),
    ("spec.http.coveredRequestHeaders[]", 100),
    ("spec.http.cors.allowOrigins[]", 300),
    ("spec.consensus.requestTimeout", 32),
    ("spec.consensus.viewChangeTimeout", 32),
    ("spec.consensus.clockBound", 32),
    ("spec.proofs.domain", 253),
    ("spec.storage.ledger.size", 32),
    ("spec.storage.ledger.storageClassName", 253),
    ("spec.storage.ledger.keepBodies", 32),
    ("spec.storage.app.size", 32),
    ("spec.storage.app.storageClassName", 253),
    ("spec.sidecar.image", 1024),
    ("spec.overrides[].image", 1024),
    ("spec.overrides[].env[].name", 256),
    ("spec.rollout.timeout", 32),
];

/// Lists, with the most items.
const ITEMS: [(&str, u64); 15] = [
    ("spec.app.command", 64),
    ("spec.app.args", 64),
    ("spec.app.env", 64),
    ("spec.app.files", 64),
    ("spec.http.unorderedPaths", 64),
    ("spec.http.dropRequestHeaders", 64),
    ("spec.http.dropResponseHeaders", 64),
    ("spec.http.coveredRequestHeaders", 64),
    ("spec.http.cors.allowOrigins", 64),
    ("spec.overrides", 22),
    ("spec.overrides[].command", 64),
    ("spec.overrides[].args", 64),
    ("spec.overrides[].env", 64),
    ("status.members", 22),
    ("status.conditions", 32),
];

/// Lists whose items are told apart by a field.
const MAPS: [(&str, &str); 5] = [
    ("spec.app.env", "name"),
    ("spec.overrides", "ordinal"),
    ("spec.overrides[].env", "name"),
    ("status.members", "ordinal"),
    ("status.conditions", "type"),
];

/// Lists in which each item is there once.
const SETS: [&str; 4] = [
    "spec.http.unorderedPaths",
    "spec.http.dropRequestHeaders",
    "spec.http.dropResponseHeaders",
    "spec.http.coveredRequestHeaders",
];

/// Words of which one is chosen.
const CHOICES: [(&str, &[&str]); 3] = [
    (
        "spec.sidecar.logLevel",
        &["error", "warn", "info", "debug", "trace"],
    ),
    ("spec.storage.ledger.accessMode", MODES),
    ("spec.storage.app.accessMode", MODES),
];

const MODES: &[&str] = &["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"];

/// Writes all of them into the schema.
pub(super) fn apply(root: &mut Value) {
    for (path, lowest, highest) in RANGES {
        let place = at(root, path);
        (place["minimum"], place["maximum"]) = (json!(lowest), json!(highest));
    }
    for (path, most) in LENGTHS {
        at(root, path)["maxLength"] = json!(most);
    }
    for (path, most) in ITEMS {
        at(root, path)["maxItems"] = json!(most);
    }
    for (path, key) in MAPS {
        let place = at(root, path);
        place["x-kubernetes-list-type"] = json!("map");
        place["x-kubernetes-list-map-keys"] = json!([key]);
    }
    for path in SETS {
        at(root, path)["x-kubernetes-list-type"] = json!("set");
    }
    for (path, words) in CHOICES {
        at(root, path)["enum"] = json!(words);
    }
    // What the rule about pinned keys costs depends on these.
    at(root, "status.members[].publicKey")["maxLength"] = json!(64);
}
