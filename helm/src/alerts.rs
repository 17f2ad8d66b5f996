//! The alerts of the rules file.

use serde_yaml::Value;

use crate::files;

/// The rules file that the chart installs and that promtool tests.
pub const RULES: &str = "helm/byzantine-operator/files/alerts.yaml";

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
