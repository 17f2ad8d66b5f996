//! How many replicas, how many may fail, how many must sign.

use std::time::Duration;

use super::Findings;
use crate::spec::{MAX_FAULTS, MAX_REPLICAS, Spec};

pub(super) fn check(findings: &mut Findings, spec: &Spec) {
    let faults = spec.fault_tolerance;
    if !(1..=MAX_FAULTS).contains(&faults) {
        let why = "with 0 nothing is tolerated, and more than 7 needs more than 22 replicas";
        findings.add("spec.faultTolerance", faults, why, "choose from 1 to 7");
        // The other sizes follow from this one.
        return;
    }
    replicas(findings, spec);
    consensus(findings, spec);
}

fn replicas(findings: &mut Findings, spec: &Spec) {
    let (path, given, fewest) = (
        "spec.replicas",
        spec.replica_count(),
        spec.fewest_replicas(),
    );
    let faults = spec.fault_tolerance;
    if given < fewest {
        let why = format!("to outvote {faults} faulty ones, 3f+1 = {fewest} replicas are needed");
        let next = format!("set it to {fewest} or more, leave it out, or lower faultTolerance");
        findings.add(path, given, why, next);
    } else if given > MAX_REPLICAS {
        let why = format!("at most {MAX_REPLICAS} replicas are supported");
        findings.add(
            path,
            given,
            why,
            format!("choose from {fewest} to {MAX_REPLICAS}"),
        );
    }
}

fn consensus(findings: &mut Findings, spec: &Spec) {
    let consensus = &spec.consensus;
    let (lowest, highest) = spec.reply_quorum_range();
    let sizes_fit = (spec.fewest_replicas()..=MAX_REPLICAS).contains(&spec.replica_count());
    let quorum = spec.reply_quorum();
    if sizes_fit && !(lowest..=highest).contains(&quorum) {
        let why = "a reply needs 2f+1 signers, or a lie could be signed, and at most min(15, n-f), \
                   or f silent replicas could stop every reply";
        let choice = if lowest == highest {
            format!("write {lowest}")
        } else {
            format!("choose from {lowest} to {highest}")
        };
        let next = format!("{choice}, or leave it out");
        findings.add("spec.consensus.replyQuorum", quorum, why, next);
    }
    let timeout = Duration::from_millis(10);
    findings.duration(
        "spec.consensus.requestTimeout",
        &consensus.request_timeout,
        timeout,
    );
    findings.duration(
        "spec.consensus.viewChangeTimeout",
        &consensus.view_change_timeout,
        timeout,
    );
    let why = "the log is cut at every checkpoint: too often is slow, too seldom fills the disk";
    let interval = consensus.checkpoint_interval;
    findings.range("spec.consensus.checkpointInterval", interval, 8, 4096, why);
    findings.duration("spec.consensus.clockBound", &consensus.clock_bound, timeout);
}
