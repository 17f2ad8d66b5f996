//! Reading the Prometheus text that a replica serves.

/// The metrics of one replica at one moment.
#[derive(Debug, Clone, Default)]
pub struct Metrics(String);

impl Metrics {
    /// Takes the text of `/metrics`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The value of a series, written as in the text: `byzantine_x_total{kind="a"}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        let mut lines = self.0.lines();
        lines.find_map(|line| {
            let value = line.strip_prefix(series)?.strip_prefix(' ')?;
            value.trim().parse().ok()
        })
    }

    /// The value of a series with a replica's label; zero while nothing was counted.
    pub fn of_replica(&self, name: &str, replica: u8) -> f64 {
        self.value(&format!("{name}{{replica=\"{replica}\"}}"))
            .unwrap_or(0.0)
    }

    /// The value of a series with a kind's label; zero while nothing was counted.
    pub fn of_kind(&self, name: &str, kind: &str) -> f64 {
        self.value(&format!("{name}{{kind=\"{kind}\"}}"))
            .unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_name_and_label() {
        let text = "# HELP a x\na 3\na_total{kind=\"b\"} 2\nr_total{replica=\"1\"} 7\n";
        let metrics = Metrics::new(text.to_owned());
        assert_eq!(metrics.value("a"), Some(3.0));
        assert!((metrics.of_kind("a_total", "b") - 2.0).abs() < f64::EPSILON);
        assert!((metrics.of_replica("r_total", 1) - 7.0).abs() < f64::EPSILON);
        assert!(metrics.of_replica("r_total", 2).abs() < f64::EPSILON);
    }
}
