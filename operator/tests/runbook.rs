//! The runbook has an entry for every reason that a Condition can give, and for no other; and
//! names every reason for which an enrolment is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use byzantine_operator::assess::Reason;
use byzantine_operator::enrolment;

/// The sections of the runbook that are Conditions.
const CONDITIONS: [&str; 7] = [
    "Ready",
    "QuorumAvailable",
    "Progressing",
    "Degraded",
    "KeysPinned",
    "RepliesAgree",
    "FaultsIndependent",
];

fn runbook() -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join("docs/runbook.md")).unwrap()
}

/// The headings of entries below the sections that are Conditions.
fn entries(runbook: &str) -> BTreeSet<&str> {
    let sections = runbook.split("\n## ").skip(1);
    let of_conditions = sections.filter(|section| {
        let heading = section.lines().next().unwrap_or_default();
        CONDITIONS.contains(&heading)
    });
    let lines = of_conditions.flat_map(str::lines);
    lines.filter_map(|line| line.strip_prefix("### ")).collect()
}

#[test]
fn every_reason_has_an_entry_and_every_entry_a_reason() {
    let runbook = runbook();
    let reasons: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(entries(&runbook), reasons);
}

#[test]
fn every_refusal_of_an_enrolment_that_is_told_is_named() {
    let runbook = runbook();
    let section = runbook.split("\n## Enrolment").nth(1).unwrap();
    for reason in enrolment::Reason::ALL {
        let named = section.contains(&format!("`{reason}`"));
        assert!(
            named || !reason.is_suspicious(),
            "{reason} is not in the runbook"
        );
    }
}
