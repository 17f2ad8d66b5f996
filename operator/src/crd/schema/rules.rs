//! Rules between fields, and over time, in the Common Expression Language.
//!
//! Each message says why and what to do; they are the same rules as those of `byz run`.

use serde_json::{Value, json};

use super::path::at;

/// A rule about the value at a place.
struct Rule {
    path: &'static str,
    expression: &'static str,
    message: &'static str,
}

const fn rule(path: &'static str, expression: &'static str, message: &'static str) -> Rule {
    Rule {
        path,
        expression,
        message,
    }
}

const RULES: [Rule; 35] = [
    rule(
        "",
        "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$') \
         && !self.metadata.name.matches('-[0-9]+$')",
        "metadata.name has 1 to 40 of a-z, 0-9 and -, starts with a letter, ends with a letter or \
         digit, and does not end in - and digits, for its replicas are called so",
    ),
    rule(
        "",
        "!has(oldSelf.status) || !has(oldSelf.status.members) \
         || (has(self.status) && has(self.status.membership) && has(oldSelf.status.membership) \
             && self.status.membership.epoch > oldSelf.status.membership.epoch) \
         || oldSelf.status.members.all(o, !has(o.publicKey) \
             || (has(self.status) && has(self.status.members) \
                 && self.status.members.exists(m, m.ordinal == o.ordinal && has(m.publicKey) \
                     && (m.publicKey == o.publicKey || m.incarnation > o.incarnation))))",
        "status.members: a pinned public key neither vanishes nor changes within an epoch",
    ),
    rule(
        "spec",
        "self.faultTolerance == oldSelf.faultTolerance",
        "faultTolerance is fixed when the service is made, for every replica has signed it; make a \
         new service",
    ),
    rule(
        "spec",
        "has(self.replicas) == has(oldSelf.replicas) \
         && (!has(self.replicas) || self.replicas == oldSelf.replicas)",
        "replicas is fixed when the service is made, for every replica has signed it; make a new \
         service",
    ),
    rule(
        "spec",
        "!has(self.replicas) || self.replicas >= 3 * self.faultTolerance + 1",
        "replicas: to outvote f = faultTolerance faulty ones, 3f+1 replicas are needed; raise \
         replicas, leave it out, or lower faultTolerance",
    ),
    rule(
        "spec",
        "!has(self.consensus) || !has(self.consensus.replyQuorum) \
         || (self.consensus.replyQuorum >= 2 * self.faultTolerance + 1 \
             && self.consensus.replyQuorum <= (has(self.replicas) ? self.replicas \
                 : 3 * self.faultTolerance + 1) - self.faultTolerance)",
        "consensus.replyQuorum: a reply needs 2f+1 signers, or a lie could be signed, and at most \
         n-f, or f silent replicas could stop every reply; choose from that range, or leave it out",
    ),
    rule(
        "spec",
        "!has(self.overrides) || self.overrides.all(o, o.ordinal < (has(self.replicas) \
             ? self.replicas : 3 * self.faultTolerance + 1))",
        "overrides: replicas are numbered from 0 to n-1; name one of those as ordinal",
    ),
    rule(
        "spec",
        "!has(oldSelf.overrides) || oldSelf.overrides.all(o, o.incarnation <= 1 \
             || (has(self.overrides) && self.overrides.exists(m, m.ordinal == o.ordinal \
                 && m.incarnation >= o.incarnation)))",
        "overrides: an incarnation never falls, for the volumes before it were given up; put the \
         number back, or raise it",
    ),
    rule(
        "spec.app.state",
        "self.type == oldSelf.type",
        "app.state.type is fixed when the service is made, for it decides what is on the volumes; \
         make a new service",
    ),
    rule(
        "spec.app.state",
        "self.type != 'Durable' || has(self.appliedPath)",
        "app.state.appliedPath: a Durable app must say which request's effect it has stored; name \
         the path that answers {\"ordinal\": N}, or choose Memory",
    ),
    rule(
        "spec.app.state",
        "self.type != 'Durable' || has(self.mountPath)",
        "app.state.mountPath: a Durable app needs a volume; name the directory in which it keeps \
         its data",
    ),
    rule(
        "spec.app.state",
        "self.type == 'Durable' || (!has(self.appliedPath) && !has(self.mountPath))",
        "app.state: only a Durable app has an appliedPath and a mountPath; remove them, or choose \
         Durable",
    ),
    rule(
        "spec.app.state",
        "self.type != 'None' || !has(self.snapshotPath)",
        "app.state.snapshotPath: a stateless app has nothing to make a snapshot of; remove it, or \
         choose Memory",
    ),
    rule(
        "spec.app.port",
        "!(self in [15080, 15081, 15082])",
        "app.port: the sidecar listens on 15080, 15081 and 15082 in the same pod; let the app \
         listen elsewhere, such as on 8080",
    ),
    rule("spec.app.env[]", ONE_VALUE, ONE_VALUE_MESSAGE),
    rule("spec.overrides[].env[]", ONE_VALUE, ONE_VALUE_MESSAGE),
    rule("spec.app.env[].name", VARIABLE, VARIABLE_MESSAGE),
    rule("spec.overrides[].env[].name", VARIABLE, VARIABLE_MESSAGE),
    rule(
        "spec.app.files[]",
        "has(self.configMap) != has(self.secret)",
        "app.files: files come from exactly one of configMap and secret; name one of them",
    ),
    rule(
        "spec.http",
        "!has(self.dropRequestHeaders) || self.dropRequestHeaders.all(h, \
             !(h in ['idempotency-key', 'content-digest', 'content-type', 'host']))",
        "http.dropRequestHeaders: every request's proof names idempotency-key, content-digest, \
         content-type and host; remove them from this list",
    ),
    rule(
        "spec.http",
        "!has(self.dropRequestHeaders) || !has(self.coveredRequestHeaders) \
         || self.dropRequestHeaders.all(h, !(h in self.coveredRequestHeaders))",
        "http: what is in dropRequestHeaders cannot be proved by coveredRequestHeaders; keep it in \
         one of the two lists",
    ),
    rule(
        "spec.http.cors.allowOrigins[]",
        "self == '*' || self.matches('^https?://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?$')",
        "http.cors.allowOrigins: write scheme and host without a slash at the end, such as \
         https://example.org, or *",
    ),
    rule(
        "spec.consensus",
        "has(self.replyQuorum) == has(oldSelf.replyQuorum) \
         && (!has(self.replyQuorum) || self.replyQuorum == oldSelf.replyQuorum)",
        "consensus.replyQuorum is fixed when the service is made, for clients check proofs by it; \
         make a new service",
    ),
    rule(
        "spec.consensus",
        "self.checkpointInterval == oldSelf.checkpointInterval",
        "consensus.checkpointInterval is fixed when the service is made, for all replicas must cut \
         their logs alike; make a new service",
    ),
    rule(
        "spec.proofs",
        "self.domain == oldSelf.domain",
        "proofs.domain is fixed when the service is made, for it is part of what every proof is \
         signed for; make a new service",
    ),
    rule(
        "spec.proofs.domain",
        "self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\
         ([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$')",
        "proofs.domain: write a lower-case DNS name, such as cluster.local or bank.example",
    ),
    rule("spec.storage.ledger", FIXED_VOLUME, FIXED_VOLUME_MESSAGE),
    rule("spec.storage.app", FIXED_VOLUME, FIXED_VOLUME_MESSAGE),
    rule("spec.storage.ledger", GROWING, GROWING_MESSAGE),
    rule("spec.storage.app", GROWING, GROWING_MESSAGE),
    rule("spec.storage.ledger.size", SIZE, SIZE_MESSAGE),
    rule("spec.storage.app.size", SIZE, SIZE_MESSAGE),
    rule("spec.app.image", IMAGE, IMAGE_MESSAGE),
    rule("spec.sidecar.image", IMAGE, IMAGE_MESSAGE),
    rule("spec.overrides[].image", IMAGE, IMAGE_MESSAGE),
];

const ONE_VALUE: &str = "!(has(self.value) && has(self.valueFrom))";

const ONE_VALUE_MESSAGE: &str = "env: a variable has either value or valueFrom; remove one of them";

const VARIABLE: &str = "self.matches('^[A-Za-z_][A-Za-z0-9_]*$')";

const VARIABLE_MESSAGE: &str = "env: a variable's name has letters, digits and _ and starts with \
    no digit; rename it, such as to LOG_LEVEL";

const FIXED_VOLUME: &str = "self.accessMode == oldSelf.accessMode \
    && has(self.storageClassName) == has(oldSelf.storageClassName) \
    && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)";

const FIXED_VOLUME_MESSAGE: &str = "storage: storageClassName and accessMode are fixed when the \
    volumes are made; put them back, or make a new service";

const GROWING: &str = "!isQuantity(self.size) || !isQuantity(oldSelf.size) \
    || quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0";

const GROWING_MESSAGE: &str = "storage: a volume's size only grows; put it back, or raise it";

const SIZE: &str = "isQuantity(self) && quantity(self).compareTo(quantity('64Mi')) >= 0 \
    && self.matches('^[0-9]+(k|M|G|T|Ki|Mi|Gi|Ti)?$')";

const SIZE_MESSAGE: &str =
    "storage: write a whole number and a unit, such as 1Gi or 500Mi, of 64Mi at least";

const IMAGE: &str = "self.matches('^[^ \\t\\n\\r]+$')";

const IMAGE_MESSAGE: &str = "image: write an image reference without spaces, such as \
    registry.example/wallet@sha256:…";

/// Absolute paths.
const PATHS: [&str; 5] = [
    "spec.app.healthPath",
    "spec.app.files[].mountPath",
    "spec.app.state.appliedPath",
    "spec.app.state.snapshotPath",
    "spec.app.state.mountPath",
];

const PATH: &str = "self.matches('^/[!-~]*$') && !self.matches('[?#]') \
    && !self.matches('(^|/)[.][.]?(/|$)')";

const PATH_MESSAGE: &str = "write an absolute path without query, dot segments and spaces, such as \
    /healthz";

/// Lists of header names.
const HEADERS: [&str; 3] = [
    "spec.http.dropRequestHeaders[]",
    "spec.http.dropResponseHeaders[]",
    "spec.http.coveredRequestHeaders[]",
];

const HEADER: &str = "self.matches('^[a-z0-9!#$%&*+.^_`|~-]+$')";

const HEADER_MESSAGE: &str = "write header names in lower case, such as x-tenant";

/// Durations, with the shortest and a message that names it.
const DURATIONS: [(&str, &str); 7] = [
    ("spec.app.timeout", "10ms"),
    ("spec.http.keyRetention", "1m"),
    ("spec.consensus.requestTimeout", "10ms"),
    ("spec.consensus.viewChangeTimeout", "10ms"),
    ("spec.consensus.clockBound", "10ms"),
    ("spec.storage.ledger.keepBodies", "0s"),
    ("spec.rollout.timeout", "1s"),
];

/// Writes all of them into the schema.
pub(super) fn apply(root: &mut Value) {
    for Rule {
        path,
        expression: rule,
        message,
    } in &RULES
    {
        add(root, path, rule, message);
    }
    for path in PATHS {
        add(root, path, PATH, PATH_MESSAGE);
    }
    add(root, "spec.http.unorderedPaths[]", PATH, PATH_MESSAGE);
    for path in HEADERS {
        add(root, path, HEADER, HEADER_MESSAGE);
    }
    for (path, shortest) in DURATIONS {
        let rule = format!(
            "self.matches('^[0-9]{{1,9}}(ms|s|m|h)( ?[0-9]{{1,9}}(ms|s|m|h)){{0,3}}$') \
             && duration(self.replace(' ', '')) >= duration('{shortest}') \
             && duration(self.replace(' ', '')) <= duration('8784h')"
        );
        let message = format!(
            "write a duration from {shortest} to 8784h in ms, s, m and h, such as 500ms, 30s or 24h"
        );
        add(root, path, &rule, &message);
    }
}

fn add(root: &mut Value, path: &str, rule: &str, message: &str) {
    let place = at(root, path);
    let rules = &mut place["x-kubernetes-validations"];
    if rules.is_null() {
        *rules = json!([]);
    }
    if let Some(rules) = rules.as_array_mut() {
        rules.push(json!({"rule": rule, "message": message}));
    }
}
