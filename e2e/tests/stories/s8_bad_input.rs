//! What cannot be is refused by the API server itself, in words that help.

use std::fs;
use std::path::PathBuf;

use byzantine_acceptance::programs;
use byzantine_e2e::{chart, command};

/// Manifests that break one rule each; the first line says what the message must contain.
const INVALID: &str = "operator/tests/invalid";

/// Changes of a service that the API server refuses: what is, and what it may not become.
#[test]
fn s8_changes_that_cannot_be_are_refused() {
    chart::installed();
    let paths = manifests(&format!("{INVALID}/changes"));
    for path in &paths {
        let text = fs::read_to_string(path).expect("a manifest can be read");
        let expected = expected(&text);
        let (before, after) = text.split_once("\n---").expect("two documents");
        let namespaced = |verb| [verb, "--namespace=default", "--filename=-"];
        command::run("kubectl", &namespaced("create"), before).expected();
        let replaced = command::run("kubectl", &namespaced("replace"), after);
        command::run("kubectl", &namespaced("delete"), before).expected();
        let said = replaced.refused();
        assert!(
            said.contains(expected),
            "{}: {said}\nsays not: {expected}",
            path.display()
        );
    }
    println!("    {} changes refused", paths.len());
    assert!(!paths.is_empty());
}

fn manifests(directory: &str) -> Vec<PathBuf> {
    let directory = programs::repository().join(directory);
    let files = fs::read_dir(&directory).expect("invalid manifests are there");
    let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    paths.sort();
    paths
}

#[test]
fn s8_invalid_manifests_are_refused_with_their_reasons() {
    chart::installed();
    let paths = manifests(INVALID);
    for path in &paths {
        let text = fs::read_to_string(path).expect("a manifest can be read");
        let expected = expected(&text);
        let dry = [
            "create",
            "--dry-run=server",
            "--namespace=default",
            "--filename=-",
        ];
        let said = command::run("kubectl", &dry, &text).refused();
        assert!(
            said.contains(expected),
            "{}: {said}\nsays not: {expected}",
            path.display()
        );
    }
    println!("    {} invalid manifests refused", paths.len());
    assert!(paths.len() >= 40, "only {}", paths.len());
}

fn expected(text: &str) -> &str {
    let first = text.lines().next().unwrap_or_default();
    first.trim_start_matches("# ").trim()
}
