//! `byz run`, `call`, `verify`, `status` and `audit` together, on real processes.
//!
//! The app is the example `counter`: state in memory, nothing but the standard library.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod service;

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use service::{Service, byz, eventually};

#[test]
fn a_service_answers_with_proofs_through_crashes() {
    let mut service = Service::start(&[]);
    let first = service.call(&["POST", "/add", "--key", "one"]);
    assert_eq!(first["body"], "{\"count\":1}", "{first}");
    let again = service.call(&["POST", "/add", "--key", "one"]);
    assert_eq!(again["body"], first["body"], "one key runs once");
    assert_eq!(again["sequence"], first["sequence"]);

    service.kill_app(2);
    service.kill_sidecar(1);
    let second = service.call(&["POST", "/add"]);
    assert_eq!(second["body"], "{\"count\":2}", "{second}");
    service.wait_until_ready(4);
    assert!(service.announced("the app of replica 2 ended by SIGKILL"));
    assert!(service.announced("the sidecar of replica 1 ended by SIGKILL"));

    service.stop();
    let audit = byz(&["audit", "--data", &service.data(), "--output", "json"]);
    let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(audit["agree"], true, "{audit}");
    assert_eq!(audit["replicas"].as_array().unwrap().len(), 4);

    let resumed = Service::resume(service);
    let third = resumed.call(&["POST", "/add"]);
    assert_eq!(third["body"], "{\"count\":3}", "nothing was lost: {third}");
}

#[test]
fn a_saved_response_is_verified_offline_and_a_changed_one_is_refused() {
    let mut service = Service::start(&[]);
    let saved = service.exchange(3, "GET / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\n");
    let (policy, url) = (service.policy(), format!("{}/", service.gateway(3)));
    service.stop();
    let file = service.write("response", &saved);
    let verified = byz(&[
        "verify", "--policy", &policy, "--url", &url, "--key", "k", &file,
    ]);
    let told = String::from_utf8_lossy(&verified.stdout);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    assert!(
        told.contains("the app answered 200") && told.contains("under your key"),
        "{told}"
    );

    let text = String::from_utf8(saved).unwrap();
    let changed = service.write(
        "changed",
        text.replace("\"count\":0", "\"count\":9").as_bytes(),
    );
    let refused = byz(&["verify", "--policy", &policy, &changed]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("E_BODY"));
    assert!(refused.stdout.is_empty());
}

#[test]
fn a_lying_gateway_is_passed_over() {
    let service = Service::start(&["--fault", "0=lying-gateway"]);
    let (policy, liar, honest) = (service.policy(), service.gateway(0), service.gateway(1));
    let url = format!("{liar}/");
    let both = byz(&[
        "call", &url, &honest, "--policy", &policy, "--output", "json",
    ]);
    let told: Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!(told["body"], "{\"count\":0}");
    let why = String::from_utf8_lossy(&both.stderr).into_owned();
    assert!(
        why.contains(&liar) && why.contains("E_"),
        "it says what was wrong: {why}"
    );
    let alone = byz(&["call", &url, "--policy", &policy]);
    assert_eq!(alone.status.code(), Some(1));
    assert!(alone.stdout.is_empty(), "a lie is never printed");
}

#[test]
fn nothing_outlives_a_killed_run() {
    let mut service = Service::start(&[]);
    let processes = service.processes();
    assert_eq!(
        processes.len(),
        12,
        "a sidecar, a guard and an app for each of four replicas"
    );
    service.kill();
    eventually("all processes end", Duration::from_secs(20), || {
        let alive = |id: &&String| {
            let probe = Command::new("kill").args(["-0", id]).output();
            probe.is_ok_and(|output| output.status.success())
        };
        processes.iter().filter(alive).count() == 0
    });
}
