//! Whether memory and disk stayed where they were.
//!
//! A straight line is laid through each series, the first third left out: caches fill then, and
//! nothing is old enough to be forgotten. What the line gains over the rest is the growth.

use super::footprint::{Sample, Taken};

/// What the memory of a process may gain over the run: a restart makes it small again, so that a
/// line through it swings by some megabytes; a leak of one kilobyte a payment is far above.
const MEMORY_GROWTH: f64 = 12.0 * 1024.0 * 1024.0;

/// What a payment leaves on each disk for ever: its leaf, its request's name and key, its nodes
/// of the tree, and its share of the batch's leaf and of pages that are not full.
const LEFT_FOR_EVER: f64 = 3.0 * 1024.0;

/// Pages that the store reserves and has no use for yet: files grow in steps.
const SLACK: f64 = 16.0 * 1024.0 * 1024.0;

/// Judges every series of every replica, and prints what it gained.
///
/// # Errors
/// The series that grew too much.
pub(super) fn judge(samples: &[Sample]) -> Result<(), Vec<String>> {
    let settled = &samples[samples.len() / 3..];
    let payments = paid(settled);
    let mut complaints = Vec::new();
    for replica in 0..settled.first().map_or(0, |sample| sample.replicas.len()) {
        let mut look = |name: &str, bound: f64, of: fn(&Taken) -> Option<u64>| {
            let growth = growth(settled, |sample| of(&sample.replicas[replica]));
            let line = format!(
                "replica {replica}: {name} gained {:.1} MiB over {payments:.0} payments \
                 (at most {:.1} MiB)",
                growth / 1_048_576.0,
                bound / 1_048_576.0
            );
            println!("{line}");
            if growth > bound {
                complaints.push(line);
            }
        };
        look("the sidecar's memory", MEMORY_GROWTH, |taken| taken.sidecar);
        look("the app's memory", MEMORY_GROWTH, |taken| taken.app);
        let ledger = payments.mul_add(LEFT_FOR_EVER, SLACK);
        look("the ledger's file", ledger, |taken| Some(taken.ledger));
        look("the journal", SLACK, |taken| Some(taken.journal));
        look("the snapshots", SLACK, |taken| Some(taken.snapshots));
    }
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(complaints)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn paid(samples: &[Sample]) -> f64 {
    match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => (last.acknowledged - first.acknowledged) as f64,
        _ => 0.0,
    }
}

/// What the line of least squares gains from the first sample to the last.
#[allow(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn growth(samples: &[Sample], value: impl Fn(&Sample) -> Option<u64>) -> f64 {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .filter_map(|sample| Some((sample.at.as_secs_f64(), value(sample)? as f64)))
        .collect();
    let count = points.len() as f64;
    if points.len() < 2 {
        return 0.0;
    }
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
    let (mut rise, mut run) = (0.0, 0.0);
    for (at, bytes) in &points {
        rise += (at - middle) * (bytes - level);
        run += (at - middle).powi(2);
    }
    rise / run * (points[points.len() - 1].0 - points[0].0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn samples(sidecar: fn(u64) -> u64) -> Vec<Sample> {
        let sample = |number: u64| Sample {
            at: Duration::from_secs(number * 5),
            acknowledged: usize::try_from(number * 100).unwrap(),
            replicas: vec![Taken {
                sidecar: Some(sidecar(number)),
                app: Some(10 << 20),
                ..Taken::default()
            }],
        };
        (0..100).map(sample).collect()
    }

    #[test]
    fn restarts_are_forgiven_and_leaks_are_not() {
        judge(&samples(|number| (60 << 20) + (number % 7) * (1 << 20))).unwrap();
        let complaints = judge(&samples(|number| (60 << 20) + number * 200_000)).unwrap_err();
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("sidecar"), "{complaints:?}");
    }

    #[test]
    fn a_line_gains_what_it_gains() {
        let gained = growth(&samples(|number| number * 1000), |sample| {
            sample.replicas[0].sidecar
        });
        assert!((gained - 99_000.0).abs() < 1.0, "{gained}");
    }
}
