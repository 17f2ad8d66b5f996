//! Names of metrics: those that programs have, those that a text mentions.

use std::collections::BTreeSet;

use crate::files;

/// What the sidecar and the operator recorded of their own metrics.
pub const RECORDED: [&str; 2] = [
    "sidecar/tests/golden/metrics.txt",
    "operator/tests/golden/metrics.txt",
];

/// Crates, images and labels that begin like a metric.
const NO_METRICS: [&str; 2] = ["byzantine_dev_service", "byzantine_dev_replica"];

/// The names in the recorded files, histograms without their suffixes.
pub fn recorded() -> BTreeSet<String> {
    let texts = RECORDED.iter().map(|path| files::text(path));
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let types = lines.filter_map(|line| line.strip_prefix("# TYPE ").map(str::to_owned));
    types
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

/// The names that a text mentions, histograms without their suffixes.
pub fn mentioned(text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let words = text.split(|one: char| !one.is_ascii_alphanumeric() && one != '_');
    let names = words.filter(|word| word.starts_with("byzantine_") && !NO_METRICS.contains(word));
    names.map(|name| base(name, known)).collect()
}

/// Strips a histogram's suffix, unless the whole is a name.
fn base(name: &str, known: &BTreeSet<String>) -> String {
    let suffixes = ["_bucket", "_sum", "_count"];
    let stripped = suffixes.iter().find_map(|end| name.strip_suffix(end));
    match stripped {
        Some(base) if !known.contains(name) => base.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_a_histogram_are_its_name() {
        let known = BTreeSet::from(["byzantine_x_seconds".to_owned()]);
        let text = "rate(byzantine_x_seconds_bucket{byzantine_dev_service=\"a\"}[5m])";
        assert_eq!(mentioned(text, &known), known);
    }

    #[test]
    fn programs_have_metrics() {
        assert!(recorded().contains("byzantine_view_changes_total"));
    }
}
