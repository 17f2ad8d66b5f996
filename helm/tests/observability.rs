//! Alerts, dashboard and documents speak of metrics that exist, and of each other.

use std::collections::BTreeSet;

use byzantine_chart::{alerts, files, metric_names, runbook};

const DASHBOARD: &str = "helm/byzantine-operator/files/dashboard.json";

fn dashboard() -> serde_json::Value {
    serde_json::from_str(&files::text(DASHBOARD)).expect("the dashboard is JSON")
}

#[test]
fn every_metric_that_is_named_exists() {
    let known = metric_names::recorded();
    let mut places = files::documents();
    places.extend([alerts::RULES, DASHBOARD].map(str::to_owned));
    assert!(places.iter().any(|place| place == runbook::RUNBOOK));
    for place in places {
        let unknown: Vec<_> = metric_names::mentioned(&files::text(&place), &known)
            .difference(&known)
            .cloned()
            .collect();
        assert!(
            unknown.is_empty(),
            "{place} names metrics that no program has: {unknown:?}"
        );
    }
}

#[test]
fn every_alert_that_is_named_exists() {
    let known: BTreeSet<_> = alerts::all().into_iter().map(|alert| alert.name).collect();
    for place in files::documents() {
        let unknown: Vec<_> = alerts::mentioned(&files::text(&place))
            .difference(&known)
            .cloned()
            .collect();
        assert!(
            unknown.is_empty(),
            "{place} names alerts that no rule has: {unknown:?}"
        );
    }
    assert!(alerts::mentioned("see ByzantineNoSuchThing.").contains("ByzantineNoSuchThing"));
}

#[test]
fn every_alert_has_an_entry_in_the_runbook_and_every_entry_an_alert() {
    let alerts: BTreeSet<_> = alerts::all().into_iter().map(|alert| alert.name).collect();
    let entries = runbook::entries().into_iter();
    let entries: BTreeSet<_> = entries
        .filter(|entry| entry.section == "Alerts")
        .map(|entry| entry.name)
        .collect();
    assert_eq!(alerts, entries);
}

#[test]
fn every_entry_says_what_it_means_and_what_to_do() {
    for entry in runbook::entries() {
        let complete = entry.text.contains("**Means**") && entry.text.contains("**Do**");
        assert!(complete, "{}: {}", entry.name, entry.text);
    }
}

#[test]
fn every_alert_says_where_it_is_explained_and_how_bad_it_is() {
    for alert in alerts::all() {
        let anchor = alert.runbook.rsplit('#').next().unwrap_or_default();
        assert_eq!(anchor, alert.name.to_lowercase(), "{}", alert.runbook);
        let severities = ["info", "warning", "critical"];
        assert!(severities.contains(&alert.severity.as_str()), "{alert:?}");
        // Nobody can be named where nothing is there.
        let absent = alert.expression.starts_with("absent");
        let names = alert.words.contains("{{ $labels");
        assert!(names || absent, "{} names nobody", alert.name);
    }
}

#[test]
fn every_alert_has_a_rule_test() {
    let tests = files::text("helm/tests/alerts.yaml");
    for alert in alerts::all() {
        let tested = format!("alertname: {}", alert.name);
        assert!(
            tests.contains(&tested),
            "{} is not in helm/tests/alerts.yaml",
            alert.name
        );
    }
}

#[test]
fn the_dashboard_shows_each_panel_once_and_where_there_is_room() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has an id of its own");
    for panel in panels {
        let place = &panel["gridPos"];
        let right = place["x"].as_u64().zip(place["w"].as_u64());
        assert!(
            right.is_some_and(|(x, w)| x + w <= 24),
            "{}",
            panel["title"]
        );
        let described = panel["type"] == "row" || panel["description"].is_string();
        assert!(described, "{} says not what it shows", panel["title"]);
    }
}

#[test]
fn the_dashboard_covers_what_an_operator_asks() {
    let rows = dashboard();
    let panels = rows["panels"].as_array().expect("panels").clone();
    let queries: String = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default())
        .map(|target| target["expr"].as_str().unwrap_or_default().to_owned())
        .collect();
    for metric in [
        "byzantine_quorum_latency_seconds",
        "byzantine_view_changes_total",
        "byzantine_peers_connected",
        "byzantine_divergences_total",
        "byzantine_journal_fsync_duration_seconds",
    ] {
        assert!(queries.contains(metric), "no panel shows {metric}");
    }
}
