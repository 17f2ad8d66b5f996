//! `sim ci`: what every change must pass, in the time there is: the recorded seeds (in a build with
//! switches each must still find its bug), every attack, and fresh schedules.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::replay::Replay;
use super::swarm::{fresh_seed, tell_failures};
use super::workers::{Until, run_all};
use super::{Output, Verdict};
use crate::adversary::AttackKind;
use crate::plan::Options;
use crate::sabotage::POSSIBLE;
use crate::say::say;

/// Sizes of the group in which every attack is made.
const ATTACKED: [usize; 3] = [4, 7, 10];

/// Sizes of fresh schedules: the smallest mostly, for it is the fastest by far, and attacks are
/// made on larger ones.
const SIZES: [usize; 16] = [4, 4, 4, 4, 5, 4, 4, 4, 4, 6, 4, 4, 4, 4, 7, 4];

/// Arguments of `sim ci`.
#[derive(Debug, Args)]
pub(super) struct Ci {
    /// Minutes that it may take in all
    #[arg(long, default_value_t = 9.5)]
    minutes: f64,
    /// Threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Fresh schedules that are wanted
    #[arg(long, default_value_t = 30_000)]
    schedules: u64,
    /// The first seed; taken from the clock if there is none
    #[arg(long)]
    from: Option<u64>,
    /// The recorded seeds
    #[arg(long, default_value = "simulator/seeds")]
    seeds: PathBuf,
}

impl Ci {
    pub(super) fn execute(&self, output: Output) -> Verdict {
        let (started, first) = (Instant::now(), self.from.unwrap_or_else(fresh_seed));
        let end = started + Duration::from_secs_f64(self.minutes * 60.0);
        let replay = Replay {
            path: self.seeds.clone(),
        };
        let recorded = replay.execute(output);
        let bugs = if POSSIBLE {
            "with the bugs they find"
        } else {
            "without bugs: this build has no switches"
        };
        say!("recorded seeds {bugs}: {} s", started.elapsed().as_secs());
        let attacks = self.attacks(first, end);
        let swarm = self.swarm(first, end);
        say!("in all {} s", started.elapsed().as_secs());
        if [recorded, attacks, swarm].contains(&Verdict::Broken) {
            Verdict::Broken
        } else {
            Verdict::Kept
        }
    }

    /// Every attack once in each size, among all other faults.
    fn attacks(&self, first: u64, end: Instant) -> Verdict {
        let pairs = AttackKind::ALL
            .iter()
            .flat_map(|attack| ATTACKED.map(|members| (*attack, members)));
        let pairs: Vec<(AttackKind, usize)> = pairs.collect();
        let tally = run_all(self.jobs, until(pairs.len() as u64, end), false, |number| {
            let place = usize::try_from(number).unwrap_or(0) % pairs.len();
            let (attack, members) = pairs[place];
            Options {
                attack: Some(attack),
                ..Options::swarm(first.wrapping_add(number), members)
            }
        });
        say!("attacks: {} of {} runs", tally.runs, pairs.len());
        tell_failures(&tally);
        verdict(tally.failures.is_empty() && tally.runs == pairs.len() as u64)
    }

    fn swarm(&self, first: u64, end: Instant) -> Verdict {
        let tally = run_all(self.jobs, until(self.schedules, end), true, |number| {
            let place = usize::try_from(number).unwrap_or(0) % SIZES.len();
            Options::swarm(first.wrapping_add(number), SIZES[place])
        });
        let (runs, wanted) = (tally.runs, self.schedules);
        say!("swarm: {runs} of {wanted} fresh schedules from seed {first}");
        if runs < wanted {
            say!("the time was up: give more threads or minutes for all of them");
        }
        tell_failures(&tally);
        verdict(tally.failures.is_empty() && tally.vacuous().is_empty())
    }
}

const fn until(runs: u64, end: Instant) -> Until {
    Until {
        runs,
        moment: Some(end),
        failure: false,
    }
}

const fn verdict(kept: bool) -> Verdict {
    if kept { Verdict::Kept } else { Verdict::Broken }
}
