//! The chart as Helm renders it: rights, refusals of wrong values, and that it works.

use std::fmt::Write as _;
use std::fs;

use byzantine_acceptance::programs;
use byzantine_e2e::{chart, command};

const RIGHTS: &str = "e2e/tests/golden/rights.yaml";

/// Every right that the operator has. `BYZANTINE_REWRITE=1` records it anew: each line added here
/// is a right that an attacker who owns the operator gains.
#[test]
fn s9_rights_are_those_recorded() {
    let mut text = String::new();
    for settings in [&[][..], &["watchNamespaces={one,two}"]] {
        let rendered = chart::template(settings);
        let roles = rendered.split("\n---\n").filter(|document| {
            document.contains("kind: ClusterRole\n") || document.contains("kind: Role\n")
        });
        writeln!(text, "# {settings:?}").expect("a String takes every text");
        text.extend(roles.map(|role| format!("---\n{}\n", role.trim())));
    }
    let golden = programs::repository().join(RIGHTS);
    if std::env::var_os("BYZANTINE_REWRITE").is_some() {
        fs::write(&golden, &text).expect("the record can be written");
    }
    let recorded = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(
        text, recorded,
        "the operator's rights changed; see {RIGHTS}"
    );
    for forbidden in [
        "\"*\"",
        "['*']",
        "[*]",
        "escalate",
        "impersonate",
        "pods/exec",
    ] {
        assert!(
            !text.contains(forbidden),
            "the operator must not have {forbidden}"
        );
    }
}

#[test]
fn s9_chart_is_clean_and_refuses_what_it_does_not_know() {
    let path = chart::path();
    command::run("helm", &["lint", "--strict", &path], "").expected();
    for (setting, word) in [
        ("imagee.tag=1", "imagee"),
        ("logLevel=loud", "logLevel"),
        ("watchNamespaces={Not_A_Name}", "watchNamespaces"),
        ("image.digest=sha256:short", "digest"),
    ] {
        let arguments = ["template", "x", &path, "--set", setting];
        let said = command::run("helm", &arguments, "").refused();
        assert!(said.contains(word), "{setting}: {said}");
    }
}

#[test]
fn s9_chart_makes_what_it_is_asked_for_and_no_more() {
    let plain = chart::template(&[]);
    for kind in ["PodMonitor", "PrometheusRule", "grafana_dashboard"] {
        assert!(!plain.contains(kind), "{kind} is off by default");
    }
    assert!(plain.contains("helm.sh/resource-policy: keep"));
    let all = chart::template(&[
        "podMonitor.enabled=true",
        "prometheusRule.enabled=true",
        "dashboard.enabled=true",
    ]);
    for part in [
        "kind: PodMonitor",
        "kind: PrometheusRule",
        "grafana_dashboard",
        "ByzantineQuorumLost",
    ] {
        assert!(all.contains(part), "{part} is missing");
    }
    let none = chart::template(&["crds.enabled=false", "rbac.create=false"]);
    assert!(
        !none.contains("kind: CustomResourceDefinition") && !none.contains("kind: ClusterRole")
    );
}

/// Under another name every part knows the operator by it: roles, Secret, lease, and itself.
#[test]
fn s9_chart_under_another_name_agrees_with_itself() {
    let other = chart::template(&["nameOverride=guard"]);
    for part in [
        "{name: OPERATOR_NAME, value: guard}",
        "resourceNames: [guard-enrolment]",
        "resourceNames: [guard]",
        "  name: guard\n",
    ] {
        assert!(other.contains(part), "{part} is missing");
    }
}

/// The alerts fire when they should, as Prometheus itself computes them.
#[test]
fn s9_alerts_pass_their_rule_tests() {
    if std::env::var_os("BYZANTINE_WITHOUT_PROMETHEUS").is_some() {
        println!("    NOT CHECKED: BYZANTINE_WITHOUT_PROMETHEUS is set");
        return;
    }
    let tests = programs::repository().join("helm/tests/alerts.yaml");
    let said = command::run("promtool", &["test", "rules", &tests.to_string_lossy()], "");
    assert!(said.expected().contains("SUCCESS"));
}

/// What a user runs after installing.
#[test]
fn s9_helm_test_asks_a_quorum_and_checks_the_proof() {
    chart::installed();
    let arguments = [
        "test",
        chart::RELEASE,
        "--namespace",
        chart::NAMESPACE,
        "--timeout=4m",
    ];
    let said = command::run("helm", &arguments, "").expected();
    assert!(said.contains("Succeeded"), "{said}");
}
