//! `sim sabotage`: each built-in bug is switched on, and fresh seeds must find it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Output, Verdict};
use crate::bias::biased;
use crate::plan::Options;
use crate::sabotage::{Bug, POSSIBLE};
use crate::say::say;
use crate::seeds::record;
use crate::world::run;

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
    #[arg(long, default_value_t = 5)]
    times: u64,
    /// The first seed
    #[arg(long, default_value_t = 1_000_000)]
    from: u64,
    /// Sizes of the group, with commas between them; runs take turns
    #[arg(long, value_delimiter = ',', default_value = "4,5,7")]
    n: Vec<usize>,
    /// Writes a seed file for each bug that was found into this directory
    #[arg(long)]
    record: Option<PathBuf>,
}

/// A bug that was found.
struct Found {
    runs: u64,
    invariant: String,
    options: Options,
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
            let mut needed: Vec<Option<Found>> = (0..self.times)
                .map(|time| self.look_for(bug, time))
                .collect();
            needed.sort_by_key(|found| found.as_ref().map_or(u64::MAX, |found| found.runs));
            if let (Some(directory), Some(Some(first))) = (&self.record, needed.first())
                && let Err(error) = record(directory, bug.name(), &first.options)
            {
                eprintln!("cannot write to {}: {error}", directory.display());
            }
            let median = needed.swap_remove(needed.len() / 2);
            missed += usize::from(median.is_none());
            print(bug, median.as_ref(), output);
        }
        if missed == 0 {
            Verdict::Kept
        } else {
            Verdict::Broken
        }
    }

    /// The first run that the bug breaks and that is whole without it.
    fn look_for(&self, bug: Bug, time: u64) -> Option<Found> {
        let first = self.from + time * self.limit;
        let options = |number: u64| {
            let turn = usize::try_from(number).unwrap_or(0) % self.n.len().max(1);
            let plain = Options {
                bug: Some(bug),
                ..Options::swarm(first + number, self.n.get(turn).copied().unwrap_or(4))
            };
            biased(plain, bug, number)
        };
        (0..self.limit).find_map(|number| {
            let options = options(number);
            let violation = run(&options, false).violation?;
            let sound = Options {
                bug: None,
                ..options
            };
            let found = Found {
                runs: number + 1,
                invariant: violation.invariant.to_owned(),
                options: sound,
            };
            run(&found.options, false)
                .violation
                .is_none()
                .then_some(found)
        })
    }
}

fn print(bug: Bug, found: Option<&Found>, output: Output) {
    let name = bug.name();
    match (output, found) {
        (Output::Json, found) => {
            let (runs, by) = found.map(|found| (found.runs, &found.invariant)).unzip();
            say!(
                "{}",
                json!({"bug": name, "medianRuns": runs, "foundBy": by})
            );
        }
        (
            Output::Text,
            Some(Found {
                runs, invariant, ..
            }),
        ) => {
            say!("{name:<26} found by {invariant} after {runs} runs");
        }
        (Output::Text, None) => say!("{name:<26} NOT FOUND"),
    }
}
