//! Manifests that the API server refuses: what can be said about them without one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use byzantine_operator::crd::schema;

/// A file: its name, the words of the refusal, and its documents.
struct Case {
    name: String,
    expected: String,
    documents: Vec<String>,
}

fn cases_in(directory: &str) -> Vec<Case> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| case(&path))
        .collect()
}

fn case(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let expected = first
        .strip_prefix("# ")
        .expect("the first line says what to expect");
    Case {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        expected: expected.to_owned(),
        documents: rest.split("---\n").map(str::to_owned).collect(),
    }
}

fn creations() -> Vec<Case> {
    cases_in("tests/invalid")
}

fn changes() -> Vec<Case> {
    cases_in("tests/invalid/changes")
}

/// Mistakes inside what Kubernetes defines, which `byz run` passes over.
const LEFT_TO_KUBERNETES: [&str; 1] = ["app-resources-as-a-list"];

#[test]
fn byz_run_refuses_them_too() {
    let cases = creations();
    assert!(cases.len() >= 40, "{} files", cases.len());
    for case in &cases {
        assert_eq!(case.documents.len(), 1, "{}", case.name);
        let left = LEFT_TO_KUBERNETES.contains(&case.name.as_str());
        let read = byzantine_resource::read(&case.documents[0]);
        assert_eq!(read.is_ok(), left, "{}: {read:?}", case.name);
    }
}

#[test]
fn both_documents_of_a_change_are_valid_for_themselves() {
    for case in &changes() {
        assert_eq!(case.documents.len(), 2, "{}", case.name);
        for document in &case.documents {
            let read = byzantine_resource::read(document);
            assert!(read.is_ok(), "{}: {read:?}", case.name);
        }
    }
}

/// Rules that no file breaks: about the status, which only the operator writes.
const ABOUT_STATUS: &str = "status.members: a pinned public key";

#[test]
fn every_rule_is_broken_by_a_file() {
    let all = creations().into_iter().chain(changes());
    let expected: Vec<String> = all.map(|case| case.expected).collect();
    let definition = schema::definition();
    let mut messages = Vec::new();
    collect(&definition, &mut messages);
    assert!(messages.len() > 40, "{messages:?}");
    for message in messages
        .iter()
        .filter(|message| !message.starts_with(ABOUT_STATUS))
    {
        let broken = expected
            .iter()
            .any(|expected| message.contains(expected.as_str()));
        assert!(
            broken || is_of_a_family(message),
            "no file breaks: {message}"
        );
    }
}

/// Durations differ in their shortest only, and are tried with some of them.
fn is_of_a_family(message: &str) -> bool {
    message.starts_with("write a duration from")
}

fn collect(value: &serde_json::Value, messages: &mut Vec<String>) {
    let rules = value["x-kubernetes-validations"].as_array();
    let texts = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule["message"].as_str());
    messages.extend(texts.map(str::to_owned));
    match value {
        serde_json::Value::Object(map) => map.values().for_each(|value| collect(value, messages)),
        serde_json::Value::Array(items) => items.iter().for_each(|value| collect(value, messages)),
        _ => {}
    }
}
