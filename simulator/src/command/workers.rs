//! Many runs on several threads: each run is a world of its own, so they share nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::reproduction;
use crate::plan::Options;
use crate::tally::Tally;
use crate::world::run;

/// How often progress is printed.
const PROGRESS: Duration = Duration::from_secs(5);

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    /// After so many runs.
    pub(super) runs: u64,
    /// Or at this moment.
    pub(super) moment: Option<Instant>,
    /// Or with the first failure.
    pub(super) failure: bool,
}

/// Runs `options(0)`, `options(1)`, … on `jobs` threads.
pub(super) fn run_all(
    jobs: usize,
    until: Until,
    progress: bool,
    options: impl Fn(u64) -> Options + Sync,
) -> Tally {
    let total = Mutex::new(Tally::default());
    let (next, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for job in 0..jobs.max(1) {
            let (total, next, stopped, options) = (&total, &next, &stopped, &options);
            let tells = (progress, progress && job == 0);
            scope.spawn(move || work(&(next, stopped, total), until, tells, started, options));
        }
    });
    total
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

type Shared<'a> = (&'a AtomicU64, &'a AtomicBool, &'a Mutex<Tally>);

fn work(
    (next, stopped, total): &Shared<'_>,
    until: Until,
    (progress, tells): (bool, bool),
    started: Instant,
    options: &(impl Fn(u64) -> Options + Sync),
) {
    let mut told = Instant::now();
    while !stopped.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let late = until.moment.is_some_and(|moment| Instant::now() >= moment);
        if number >= until.runs || late {
            break;
        }
        let options = options(number);
        let report = run(&options, false);
        if let Some(violation) = &report.violation {
            stopped.fetch_or(until.failure, Ordering::Relaxed);
            if progress {
                let again = reproduction(&options.arguments());
                eprintln!("broken: {}: {again}", violation.invariant);
            }
        }
        let mut total = total
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        total.add(&options, &report);
        if tells && told.elapsed() >= PROGRESS {
            told = Instant::now();
            tell(&total, started);
        }
    }
}

fn tell(total: &Tally, started: Instant) {
    let (runs, failures) = (total.runs, total.failures.len());
    let seconds = started.elapsed().as_secs().max(1);
    let minute = runs * 60 / seconds;
    eprintln!("{runs} runs, {failures} broken, {minute} a minute");
}
