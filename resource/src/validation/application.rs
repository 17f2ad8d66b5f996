//! Rules for the app and for replicas with an app of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Findings;
use super::words::{is_path, is_variable_name};
use crate::application::{EnvironmentVariable, FileMount, State, StateType};
use crate::service::OWN_PORTS;
use crate::spec::Spec;

/// The most variables of an environment, files, or words of a command.
const MAX_ITEMS: usize = 64;

pub(super) fn check(findings: &mut Findings, spec: &Spec) {
    let app = &spec.app;
    image(findings, "spec.app.image", &app.image);
    items(findings, "spec.app.command", app.command.len());
    items(findings, "spec.app.args", app.args.len());
    environment(findings, "spec.app.env", &app.env);
    items(findings, "spec.app.files", app.files.len());
    for (i, file) in app.files.iter().enumerate() {
        mount(findings, &format!("spec.app.files[{i}]"), file);
    }
    port(findings, app.port);
    path(findings, "spec.app.healthPath", &app.health_path);
    findings.duration("spec.app.timeout", &app.timeout, Duration::from_millis(10));
    state(findings, &app.state);
    secluded(findings, spec);
    overrides(findings, spec);
}

fn image(findings: &mut Findings, path: &str, image: &str) {
    if image.is_empty() || image.contains(char::is_whitespace) {
        let next = "write a reference such as `registry.example/wallet@sha256:…`";
        findings.add(
            path,
            format!("\"{image}\""),
            "it is not an image reference",
            next,
        );
    }
}

fn items(findings: &mut Findings, path: &str, count: usize) {
    if count > MAX_ITEMS {
        let why = format!("at most {MAX_ITEMS} are allowed");
        findings.add(path, format!("{count} items"), why, "move some into a file");
    }
}

fn environment(findings: &mut Findings, path: &str, variables: &[EnvironmentVariable]) {
    items(findings, path, variables.len());
    let mut names = BTreeSet::new();
    for (i, variable) in variables.iter().enumerate() {
        let (name, place) = (&variable.name, format!("{path}[{i}]"));
        if !is_variable_name(name) {
            let why = "a variable's name has letters, digits and _ and starts with no digit";
            let next = "rename it, such as to `LOG_LEVEL`";
            findings.add(format!("{place}.name"), format!("\"{name}\""), why, next);
        }
        if !names.insert(name) {
            let why = "another variable has this name";
            findings.add(format!("{place}.name"), name, why, "remove one of them");
        }
        if variable.value.is_some() && variable.value_from.is_some() {
            let why = "it has both value and valueFrom";
            findings.add(place, name, why, "remove one of them");
        }
    }
}

fn mount(findings: &mut Findings, place: &str, file: &FileMount) {
    if file.config_map.is_some() == file.secret.is_some() {
        let given = if file.secret.is_some() {
            "configMap and secret"
        } else {
            "neither"
        };
        let why = "files come from exactly one of configMap and secret";
        findings.add(place, given, why, "name one of them");
    }
    path(findings, &format!("{place}.mountPath"), &file.mount_path);
}

fn port(findings: &mut Findings, port: u32) {
    let path = "spec.app.port";
    if !(1..=65_535).contains(&port) {
        findings.add(
            path,
            port,
            "there is no such TCP port",
            "choose from 1 to 65535",
        );
    } else if OWN_PORTS.contains(&port) {
        let why = "the sidecar listens on 15080, 15081 and 15082 in the same pod";
        findings.add(
            path,
            port,
            why,
            "let the app listen elsewhere, such as on 8080",
        );
    }
}

fn path(findings: &mut Findings, place: &str, path: &str) {
    if !is_path(path) {
        let why = "it is not an absolute path without query, dot segments and spaces";
        findings.add(
            place,
            format!("\"{path}\""),
            why,
            "start it with /, such as `/healthz`",
        );
    }
}

/// Whoever reaches the whole state may replace it.
fn secluded(findings: &mut Findings, spec: &Spec) {
    let unordered = spec.http.unordered_paths.iter().enumerate();
    let snapshots = spec.app.state.snapshot_path.as_ref();
    for (i, path) in unordered.filter(|(_, path)| Some(*path) == snapshots) {
        let place = format!("spec.http.unorderedPaths[{i}]");
        let why = "it is app.state.snapshotPath, and clients must not get there";
        findings.add(place, format!("\"{path}\""), why, "take it out");
    }
}

fn state(findings: &mut Findings, state: &State) {
    let paths = [
        (
            "spec.app.state.appliedPath",
            &state.applied_path,
            StateType::Durable,
        ),
        (
            "spec.app.state.snapshotPath",
            &state.snapshot_path,
            StateType::Memory,
        ),
        (
            "spec.app.state.mountPath",
            &state.mount_path,
            StateType::Durable,
        ),
    ];
    for (place, given, kind) in paths {
        let optional = kind == StateType::Memory;
        match given {
            None if state.kind == kind && !optional => needed(findings, place),
            None => {}
            Some(given) if state.kind == StateType::None || state.kind != kind && !optional => {
                let why = format!("state of type {} has no use for it", state.kind.as_str());
                findings.add(
                    place,
                    given,
                    why,
                    format!("remove it, or choose {}", kind.as_str()),
                );
            }
            Some(given) => path(findings, place, given),
        }
    }
}

fn needed(findings: &mut Findings, place: &str) {
    let (why, next) = if place.ends_with("appliedPath") {
        (
            "a Durable app must say which request's effect it has stored",
            "name the path that answers {\"ordinal\": N}, or choose Memory",
        )
    } else {
        (
            "a Durable app needs a volume",
            "name the directory in which the app keeps its data",
        )
    };
    findings.add(place, "missing", why, next);
}

fn overrides(findings: &mut Findings, spec: &Spec) {
    let mut ordinals = BTreeSet::new();
    for (i, replica) in spec.overrides.iter().enumerate() {
        let (place, ordinal) = (format!("spec.overrides[{i}]"), replica.ordinal);
        if ordinal >= spec.replica_count() {
            let last = spec.replica_count().saturating_sub(1);
            let why = format!("replicas are numbered from 0 to {last}");
            findings.add(
                format!("{place}.ordinal"),
                ordinal,
                why,
                "name one of those",
            );
        }
        if !ordinals.insert(ordinal) {
            let why = "this replica has an override already";
            findings.add(format!("{place}.ordinal"), ordinal, why, "join the two");
        }
        if replica.incarnation == 0 {
            let why = "incarnations are counted from 1";
            findings.add(
                format!("{place}.incarnation"),
                0,
                why,
                "leave it out, or write 1",
            );
        }
        if let Some(given) = &replica.image {
            image(findings, &format!("{place}.image"), given);
        }
        environment(findings, &format!("{place}.env"), &replica.env);
    }
}
