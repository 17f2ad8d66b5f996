//! `sim sabotage`: each built-in bug is switched on, and fresh seeds must find it.

use clap::Args;
use serde_json::json;

use super::workers::{Until, run_all};
use super::{Output, Verdict};
use crate::plan::Options;
use crate::sabotage::{Bug, POSSIBLE};

/// Arguments of `sim sabotage`.
#[derive(Debug, Args)]
pub(super) struct Sabotage {
    /// Which bug; all by default
    #[arg(value_parser = Bug::parse)]
    name: Option<Bug>,
    /// Runs after which a bug counts as not found
    #[arg(long, default_value_t = 5000)]
    limit: u64,
    /// How often each is looked for, with seeds of its own; the median is told
    #[arg(long, default_value_t = 3)]
    times: u64,
    /// The first seed
    #[arg(long, default_value_t = 1_000_000)]
    from: u64,
    /// Sizes of the group, with commas between them; runs take turns
    #[arg(long, value_delimiter = ',', default_value = "4,5,7")]
    n: Vec<usize>,
}

impl Sabotage {
    pub(super) fn execute(&self, output: Output) -> Verdict {
        if !POSSIBLE {
            eprintln!("{}", Bug::parse("").err().unwrap_or_default());
            return Verdict::Broken;
        }
        let bugs = self.name.map_or_else(Bug::all, |bug| vec![bug]);
        let mut missed = 0;
        for bug in bugs {
            let mut needed: Vec<Option<(u64, String)>> = (0..self.times)
                .map(|time| self.look_for(bug, time))
                .collect();
            needed.sort_by_key(|found| found.as_ref().map_or(u64::MAX, |(runs, _)| *runs));
            let median = needed.swap_remove(needed.len() / 2);
            missed += usize::from(median.is_none());
            print(bug, median, output);
        }
        if missed == 0 {
            Verdict::Kept
        } else {
            Verdict::Broken
        }
    }

    /// After how many runs a bug was found, and by which promise.
    fn look_for(&self, bug: Bug, time: u64) -> Option<(u64, String)> {
        let first = self.from + time * self.limit;
        let until = Until {
            runs: self.limit,
            moment: None,
            failure: true,
        };
        let tally = run_all(1, until, false, |number| {
            let turn = usize::try_from(number).unwrap_or(0) % self.n.len().max(1);
            Options {
                bug: Some(bug),
                ..Options::swarm(first + number, self.n.get(turn).copied().unwrap_or(4))
            }
        });
        let failure = tally.failures.into_iter().next()?;
        Some((tally.runs, failure.invariant))
    }
}

fn print(bug: Bug, found: Option<(u64, String)>, output: Output) {
    let name = bug.name();
    match (output, found) {
        (Output::Json, found) => {
            let (runs, by) = found.unzip();
            println!(
                "{}",
                json!({"bug": name, "medianRuns": runs, "foundBy": by})
            );
        }
        (Output::Text, Some((runs, by))) => println!("{name:<26} found by {by} after {runs} runs"),
        (Output::Text, None) => println!("{name:<26} NOT FOUND"),
    }
}
