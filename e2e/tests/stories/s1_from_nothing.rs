//! Three commands from nothing to a certified answer: the README's tour.

use std::time::Instant;

use byzantine_acceptance::programs;
use byzantine_e2e::cluster::Cluster;
use byzantine_e2e::{Service, chart};
use serde_json::Value;

/// Two slow cores, and everything cold but the images.
const EXPECTED_SECONDS: u64 = 120;

#[test]
fn s1_from_nothing_to_a_certified_answer() {
    let cluster = Cluster::find();
    clean(cluster);
    let started = Instant::now();
    let notes = chart::upgrade(&[]);
    assert!(
        notes.contains("kubectl apply -f"),
        "the notes name the next command: {notes}"
    );
    println!(
        "    operator ready after {:.1} s",
        started.elapsed().as_secs_f64()
    );

    let applied = Instant::now();
    let manifest = programs::repository().join("examples/wallet/byzantineservice.yaml");
    cluster.kubectl(&["apply", "--filename", &manifest.to_string_lossy()]);
    let wallet = Service::named(cluster, "default", "wallet");
    wallet.ready();
    let seconds = applied.elapsed();
    println!(
        "    wallet Ready {:.1} s after `kubectl apply`",
        seconds.as_secs_f64()
    );
    assert!(seconds.as_secs() < EXPECTED_SECONDS, "{seconds:?}");

    ask_and_verify(cluster, &wallet);
    at_a_glance(cluster, &wallet);
    clean(cluster);
}

/// What an interrupted run left, so that "nothing" is nothing.
fn clean(cluster: Cluster) {
    let service = ["delete", "byzantineservice", "wallet", "--ignore-not-found"];
    cluster.try_kubectl(&service);
    let volumes = ["delete", "pvc", "--selector=byzantine.dev/service=wallet"];
    cluster.try_kubectl(&volumes);
}

fn ask_and_verify(cluster: Cluster, wallet: &Service) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let policy = directory.path().join("policy");
    let text = cluster.kubectl(&[
        "get",
        "configmap",
        "wallet-epoch-0",
        "--namespace=default",
        "--output=jsonpath={.data.policy}",
    ]);
    std::fs::write(&policy, text).expect("the policy can be kept");
    let door = wallet.door();
    let url = format!("{}/accounts", door.url());
    let policy = policy.to_string_lossy();
    let body = r#"{"owner":"ada","opening":100}"#;
    let called = programs::byz(["call", "POST", &url, "--body", body, "--policy", &policy]);
    assert_eq!(called.code, Some(0), "{called:?}");
    assert!(
        called.errors.contains("signed by replicas"),
        "{}",
        called.errors
    );
    println!("    {}", called.errors.trim());
    let account: Value = serde_json::from_str(&called.output).expect("an account as JSON");
    assert_eq!(account["balance"], 100);
}

/// `kubectl get` and `describe` show what matters without further reading.
fn at_a_glance(cluster: Cluster, wallet: &Service) {
    wallet.full_strength();
    let table = cluster.kubectl(&["get", "bzs", "wallet", "--output=wide"]);
    println!("{table}");
    let heading = table.lines().next().unwrap_or_default();
    for column in ["F", "READY", "REPLICAS", "PHASE", "PRIMARY", "AGE", "VIEW"] {
        assert!(
            heading.split_whitespace().any(|word| word == column),
            "{heading}"
        );
    }
    assert!(table.contains("Ready"), "{table}");
    let described = cluster.kubectl(&["describe", "bzs", "wallet"]);
    for kind in [
        "QuorumAvailable",
        "Progressing",
        "Degraded",
        "KeysPinned",
        "RepliesAgree",
    ] {
        assert!(
            described.contains(kind),
            "{kind} is not described:\n{described}"
        );
    }
}
