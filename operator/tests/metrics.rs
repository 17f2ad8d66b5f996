//! Names, types and labels of the metrics are an interface; `BYZANTINE_REWRITE=1` rewrites it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use byzantine_operator::metrics::Metrics;

#[test]
fn the_metrics_are_those_of_the_golden_file() {
    let text = String::from_utf8(Metrics::new().unwrap().text()).unwrap();
    let series = text.lines().filter(|line| !line.contains("_bucket{"));
    let names: String = series.map(|line| name(line) + "\n").collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/metrics.txt");
    if std::env::var_os("BYZANTINE_REWRITE").is_some() {
        std::fs::write(path, &names).unwrap();
    }
    assert_eq!(names, std::fs::read_to_string(path).unwrap());
}

/// The line without a sample's value, which tells nothing here.
fn name(line: &str) -> String {
    if line.starts_with('#') {
        line.to_owned()
    } else {
        line.rsplit_once(' ')
            .map_or(line, |(name, _)| name)
            .to_owned()
    }
}
