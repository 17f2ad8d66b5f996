//! Measured durations.

use std::time::Duration;

use serde_json::{Value, json};

/// Durations in ascending order.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    pub(super) fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn median(&self) -> Duration {
        self.per_mille(500)
    }

    /// The smallest duration that so many of a thousand do not exceed; zero of nothing.
    fn per_mille(&self, share: usize) -> Duration {
        let place = (self.0.len() * share).div_ceil(1000).saturating_sub(1);
        self.0.get(place).copied().unwrap_or_default()
    }

    /// p50, p99 and the largest.
    pub(super) fn in_milliseconds(&self) -> [f64; 3] {
        [500, 990, 1000].map(|share| self.per_mille(share).as_secs_f64() * 1000.0)
    }

    pub(super) fn to_json(&self) -> Value {
        let [median, high, largest] = self.in_milliseconds();
        json!({"count": self.count(), "p50Ms": median, "p99Ms": high, "maxMs": largest})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_found() {
        let sample = Sample::new((1..=100).rev().map(Duration::from_millis).collect());
        let millis =
            |sample: &Sample| [500, 990, 1000].map(|share| sample.per_mille(share).as_millis());
        assert_eq!(millis(&sample), [50, 99, 100]);
        assert_eq!(Sample::default().median(), Duration::ZERO);
        let one = Sample::new(vec![Duration::from_millis(7)]);
        assert_eq!(millis(&one), [7, 7, 7]);
    }
}
