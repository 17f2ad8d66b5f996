//! The alerts of the rules file.

use std::collections::BTreeSet;

use serde_yaml::Value;

use crate::files;

/// The rules file that the chart installs and that promtool tests.
pub const RULES: &str = "helm/byzantine-operator/files/alerts.yaml";

/// The resource, which is written like an alert.
const NO_ALERTS: [&str; 2] = ["ByzantineService", "ByzantineServices"];

/// One alerting rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// The expression.
    pub expression: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// Summary and description, as templates.
    pub words: String,
    /// Where the runbook speaks of it.
    pub runbook: String,
}

/// Every alert, in order.
///
/// # Panics
/// When the file is not a rules file.
pub fn all() -> Vec<Alert> {
    let rules: Value = serde_yaml::from_str(&files::text(RULES)).expect("the rules are YAML");
    let groups = rules["groups"].as_sequence().expect("rules have groups");
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_sequence().expect("a group has rules"));
    rules.map(alert).collect()
}

/// The names in a text that look like those of alerts.
pub fn mentioned(text: &str) -> BTreeSet<String> {
    let words = text.split(|one: char| !one.is_ascii_alphanumeric() && one != '_');
    let named = words.filter(|word| {
        let rest = word.strip_prefix("Byzantine").unwrap_or_default();
        let camel = rest.starts_with(|first: char| first.is_ascii_uppercase());
        camel && !NO_ALERTS.contains(word)
    });
    named.map(str::to_owned).collect()
}

fn alert(rule: &Value) -> Alert {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let annotations = &rule["annotations"];
    Alert {
        name: text(&rule["alert"]),
        expression: text(&rule["expr"]),
        severity: text(&rule["labels"]["severity"]),
        words: text(&annotations["summary"]) + &text(&annotations["description"]),
        runbook: text(&annotations["runbook_url"]),
    }
}
