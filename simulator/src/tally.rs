//! What many runs came to: how many of them did each thing, and whether some did nothing at all.

use std::collections::BTreeMap;

use byzantine_consensus::Rejection;
use serde::Serialize;

use crate::fault::Fault;
use crate::plan::Options;
use crate::world::Report;

/// Every kind of message.
pub const MESSAGES: [&str; 11] = [
    "REQUESTS",
    "PRE-PREPARE",
    "PREPARE",
    "COMMIT",
    "RESULT",
    "PROMISE",
    "ATTEST",
    "SUSPECT",
    "VIEW-CHANGE",
    "NEW-VIEW",
    "STATUS",
];

/// The share of runs in which everything must occur, in per cent, and how many runs it takes to
/// judge that.
const LEAST_PER_CENT: u64 = 1;
const LEAST_RUNS: u64 = 2000;

/// The sum of many runs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tally {
    /// How many runs.
    pub runs: u64,
    /// Events in all of them.
    pub events: u64,
    /// In how many runs each thing occurred.
    pub runs_with: BTreeMap<String, u64>,
    /// Runs that broke a promise.
    pub failures: Vec<Failure>,
    /// The most views that any run took after the healing.
    pub most_views: u64,
    /// The longest time after the healing until all was answered, in virtual milliseconds.
    pub slowest_ms: u64,
}

/// A run that broke a promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What repeats it.
    pub arguments: String,
    /// Which promise.
    pub invariant: String,
    /// What was seen.
    pub detail: String,
}

/// Failures that are kept; more are only counted.
const KEPT_FAILURES: usize = 200;

impl Tally {
    /// Adds one run.
    pub fn add(&mut self, options: &Options, report: &Report) {
        self.runs += 1;
        self.events += report.events;
        self.most_views = self.most_views.max(report.views);
        self.slowest_ms = self.slowest_ms.max(report.healed_in / 1000);
        for name in report.counts.keys() {
            *self.runs_with.entry(name.clone()).or_default() += 1;
        }
        if let Some(violation) = &report.violation
            && self.failures.len() < KEPT_FAILURES
        {
            self.failures.push(Failure {
                arguments: options.arguments(),
                invariant: violation.invariant.to_owned(),
                detail: violation.detail.clone(),
            });
        }
    }

    /// Adds the sum of other runs.
    pub fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.events += other.events;
        self.most_views = self.most_views.max(other.most_views);
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        for (name, count) in other.runs_with {
            *self.runs_with.entry(name).or_default() += count;
        }
        self.failures.extend(other.failures);
        self.failures.truncate(KEPT_FAILURES);
    }

    /// What occurred in too few runs to say that it was tested, with the number of runs.
    pub fn vacuous(&self) -> Vec<(String, u64)> {
        if self.runs < LEAST_RUNS {
            return Vec::new();
        }
        let faults = Fault::ALL.iter().map(|fault| fault.name());
        let rejections = Rejection::ALL.iter().map(|rejection| rejection.label());
        let all = faults.chain(MESSAGES).chain(rejections);
        let runs = |name: &str| self.runs_with.get(name).copied().unwrap_or(0);
        all.filter(|name| runs(name) * 100 < self.runs * LEAST_PER_CENT)
            .map(|name| (name.to_owned(), runs(name)))
            .collect()
    }
}
