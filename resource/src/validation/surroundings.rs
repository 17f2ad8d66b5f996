//! Rules for volumes, the Kubernetes Service, the sidecar's container, rollouts and pods.

use std::time::Duration;

use super::Findings;
use crate::spec::Spec;
use crate::text::Quantity;

/// The smallest volume: a ledger of few requests needs some of this for its own structure.
const SMALLEST_VOLUME: u64 = 64 << 20;

const ACCESS_MODES: [&str; 3] = ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"];

const LOG_LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

pub(super) fn check(findings: &mut Findings, spec: &Spec) {
    let (ledger, app) = (&spec.storage.ledger, &spec.storage.app);
    size(findings, "spec.storage.ledger.size", &ledger.size);
    one_of(
        findings,
        "spec.storage.ledger.accessMode",
        &ledger.access_mode,
        &ACCESS_MODES,
    );
    findings.duration(
        "spec.storage.ledger.keepBodies",
        &ledger.keep_bodies,
        Duration::ZERO,
    );
    size(findings, "spec.storage.app.size", &app.size);
    one_of(
        findings,
        "spec.storage.app.accessMode",
        &app.access_mode,
        &ACCESS_MODES,
    );
    let why = "there is no such TCP port";
    findings.range(
        "spec.service.port",
        spec.service.port.into(),
        1,
        65_535,
        why,
    );
    one_of(
        findings,
        "spec.sidecar.logLevel",
        &spec.sidecar.log_level,
        &LOG_LEVELS,
    );
    findings.duration(
        "spec.rollout.timeout",
        &spec.rollout.timeout,
        Duration::from_secs(1),
    );
    let grace = spec.template.termination_grace_period_seconds;
    let why = "a stop drains requests first and then closes the ledger";
    findings.range(
        "spec.template.terminationGracePeriodSeconds",
        grace.into(),
        10,
        3600,
        why,
    );
}

fn size(findings: &mut Findings, path: &str, size: &Quantity) {
    let next = "write a number and a unit, such as 1Gi or 500Mi";
    match size.bytes() {
        None => findings.add(
            path,
            format!("\"{size}\""),
            "it is not an amount of bytes",
            next,
        ),
        Some(bytes) if bytes < SMALLEST_VOLUME => {
            findings.add(path, size, "a volume needs 64Mi at least", next);
        }
        Some(_) => {}
    }
}

fn one_of(findings: &mut Findings, path: &str, given: &str, known: &[&str]) {
    if !known.contains(&given) {
        let why = "it is not one of the known values";
        findings.add(
            path,
            format!("\"{given}\""),
            why,
            format!("choose {}", known.join(", ")),
        );
    }
}
