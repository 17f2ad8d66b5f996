//! `sim swarm`: fresh seeds until a time or a number is reached.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;

use super::workers::{Until, run_all};
use super::{Output, Verdict, reproduction};
use crate::fault::Faults;
use crate::plan::Options;
use crate::say::say;
use crate::tally::Tally;

/// Arguments of `sim swarm`.
#[derive(Debug, Args)]
pub(super) struct Swarm {
    /// Sizes of the group, with commas between them; runs take turns
    #[arg(long, value_delimiter = ',', default_value = "4")]
    n: Vec<usize>,
    /// Stop after this many minutes
    #[arg(long)]
    minutes: Option<f64>,
    /// Stop after this many runs
    #[arg(long)]
    schedules: Option<u64>,
    /// The first seed; taken from the clock if there is none
    #[arg(long)]
    from: Option<u64>,
    /// Requests in each run, if not the seed's choice
    #[arg(long)]
    requests: Option<usize>,
    /// Faults that may be present, with commas between them
    #[arg(long, value_parser = Faults::parse)]
    only: Option<Faults>,
    /// Faults that are left out
    #[arg(long, value_parser = Faults::parse)]
    without: Option<Faults>,
    /// Faults that are present in each run, whatever its seed says
    #[arg(long, value_parser = Faults::parse)]
    with: Option<Faults>,
    /// Threads
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Go on after failures, and list them all
    #[arg(long)]
    keep_going: bool,
}

impl Swarm {
    pub(super) fn execute(&self, output: Output) -> Verdict {
        let first = self.from.unwrap_or_else(fresh_seed);
        let started = Instant::now();
        let minutes = self.minutes.or(self.schedules.is_none().then_some(1.0));
        let until = Until {
            runs: self.schedules.unwrap_or(u64::MAX),
            moment: minutes.map(|minutes| started + Duration::from_secs_f64(minutes * 60.0)),
            failure: !self.keep_going,
        };
        let progress = output == Output::Text;
        let tally = run_all(self.jobs, until, progress, |number| {
            self.options(first, number)
        });
        let seconds = started.elapsed().as_secs_f64();
        let cores = u32::try_from(self.jobs.max(1)).unwrap_or(1);
        let busy = processor_seconds().unwrap_or(seconds * f64::from(cores));
        match output {
            Output::Text => print_text(&tally, first, seconds, busy),
            Output::Json => print_json(&tally, first, seconds, busy),
        }
        if tally.failures.is_empty() && tally.vacuous().is_empty() {
            Verdict::Kept
        } else {
            Verdict::Broken
        }
    }

    fn options(&self, first: u64, number: u64) -> Options {
        let turn = usize::try_from(number % self.n.len().max(1) as u64).unwrap_or(0);
        let mut allowed = self.only.unwrap_or(Faults::ALL);
        for fault in self.without.unwrap_or_default().iter() {
            allowed = allowed.without(fault);
        }
        let members = self.n.get(turn).copied().unwrap_or(4);
        let drawn = Options::swarm(first.wrapping_add(number), members);
        Options {
            requests: self.requests.unwrap_or(drawn.requests),
            allowed,
            forced: self.with.unwrap_or_default(),
            ..drawn
        }
    }
}

pub(super) fn fresh_seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    now.as_secs() * 1_000_000
}

/// The processor time of this process so far: on a shared machine the clock on the wall says
/// more about the others. `None` where there is no `/proc`. (proc(5), `/proc/pid/stat`)
fn processor_seconds() -> Option<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold spaces; times are the 14th and 15th field.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11);
    let mut ticks = || times.next()?.parse::<u32>().ok();
    let ticks = ticks()?.checked_add(ticks()?)?;
    Some(f64::from(ticks) / TICKS_A_SECOND).filter(|seconds| *seconds > 0.0)
}

/// Schedules a minute of one core's time.
fn rate(tally: &Tally, busy: f64) -> f64 {
    let runs = u32::try_from(tally.runs).unwrap_or(u32::MAX);
    f64::from(runs) * 60.0 / busy
}

fn print_text(tally: &Tally, first: u64, seconds: f64, busy: f64) {
    let (runs, rate) = (tally.runs, rate(tally, busy));
    say!(
        "{runs} runs from seed {first} in {seconds:.0} s: {rate:.0} a minute a core; \
         {} events; at most {} views and {} virtual ms after the healing",
        tally.events,
        tally.most_views,
        tally.slowest_ms
    );
    tell_failures(tally);
}

/// What broke, how to repeat it, and what was never tried.
pub(super) fn tell_failures(tally: &Tally) {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in &tally.failures {
        *kinds.entry(&failure.invariant).or_default() += 1;
    }
    for failure in tally.failures.iter().take(20) {
        say!(
            "broken: {}: {}",
            failure.invariant,
            shortened(&failure.detail)
        );
        say!("        {}", reproduction(&failure.arguments));
    }
    if !kinds.is_empty() {
        say!("{} runs are broken: {kinds:?}", tally.failures.len());
    }
    for (name, runs) in tally.vacuous() {
        say!("never tried enough: {name} occurred in {runs} runs");
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

fn print_json(tally: &Tally, first: u64, seconds: f64, busy: f64) {
    let text = json!({
        "firstSeed": first,
        "seconds": seconds,
        "perMinuteAndCore": rate(tally, busy),
        "tally": tally,
        "vacuous": tally.vacuous(),
    });
    say!("{text}");
}
