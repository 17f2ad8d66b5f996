//! `cargo xtask ci`: everything that must pass before a change lands.
//!
//! Every step runs even if an earlier one failed, so that one run shows all there is to mend.

use std::time::{Duration, Instant};

use crate::command::{self, cargo};
use crate::error::XtaskError;
use crate::mutants::{self, MutantsArguments};
use crate::{demo, e2e, suite, tidy};

/// The version of cargo-deny that reads `deny.toml`.
const DENY_VERSION: &str = "0.20.2";

/// What one step came to.
enum Outcome {
    Passed(String),
    /// It could not run here; the reader is told, loudly.
    Impossible(String),
    Failed(String),
}

/// How long the stories on a cluster may take, images compiled from nothing included, in seconds.
const END_TO_END_SECONDS: &str = "1800";

/// Set where the machine is quiet enough that a story which goes wrong means a fault of ours: the
/// stories have a real cluster's timeouts, and machines of CI are shared.
const GATE: &str = "BYZANTINE_END_TO_END_GATES";

/// Set where a change of a touched line that no test notices fails the run: some such changes
/// change nothing, which only a reader sees.
const MUTANTS_GATE: &str = "BYZANTINE_MUTANTS_GATES";

/// What the touched lines are compared with, if not what `main` had before.
const BASE: &str = "BYZANTINE_BASE";

type Step = (&'static str, fn() -> Result<Outcome, XtaskError>);

/// Set where a broken promise that fresh schedules find fails the run.
const SWARM_GATE: &str = "BYZANTINE_SWARM_GATES";

const STEPS: [Step; 12] = [
    ("format", format),
    ("tidy", tidied),
    ("clippy", clippy),
    ("licences, bans and sources", deny),
    ("advisories", advisories),
    ("tests", tests),
    ("recorded seeds and attacks", recorded),
    ("fresh schedules", fresh),
    ("demo", demonstration),
    ("acceptance", acceptance),
    ("end to end", end_to_end),
    ("changes of touched lines", mutants),
];

/// Runs all steps and prints how long each took.
///
/// # Errors
/// [`XtaskError::StepsFailed`] naming every step that failed.
pub(crate) fn run() -> Result<(), XtaskError> {
    let beginning = Instant::now();
    let results: Vec<_> = STEPS.iter().map(|step| timed(*step)).collect();
    println!("\n== summary");
    for (name, duration, outcome) in &results {
        println!("{}", summary_line(name, *duration, outcome));
    }
    println!("   {:>8}  all", seconds(beginning.elapsed()));
    verdict(&results)
}

fn timed((name, step): Step) -> (&'static str, Duration, Outcome) {
    println!("\n== {name}");
    let beginning = Instant::now();
    let outcome = step().unwrap_or_else(|error| Outcome::Failed(error.to_string()));
    let duration = beginning.elapsed();
    println!("{}", summary_line(name, duration, &outcome));
    (name, duration, outcome)
}

fn verdict(results: &[(&'static str, Duration, Outcome)]) -> Result<(), XtaskError> {
    let failed = results
        .iter()
        .filter(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_)));
    let names: Vec<_> = failed.map(|(name, ..)| *name).collect();
    if names.is_empty() {
        println!("ci: passed");
        return Ok(());
    }
    Err(XtaskError::StepsFailed(names.join(", ")))
}

fn summary_line(name: &str, duration: Duration, outcome: &Outcome) -> String {
    let took = seconds(duration);
    match outcome {
        Outcome::Passed(note) if note.is_empty() => format!("ok {took:>8}  {name}"),
        Outcome::Passed(note) => format!("ok {took:>8}  {name}: {note}"),
        Outcome::Impossible(why) => format!("!! {took:>8}  {name}: NOT CHECKED: {why}"),
        Outcome::Failed(why) => format!("XX {took:>8}  {name}: FAILED: {why}"),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Runs a cargo command after printing it.
fn cargo_step(arguments: &[&str]) -> Result<Outcome, XtaskError> {
    let mut command = cargo(arguments);
    println!("$ {}", command::line(&command));
    command::run(&mut command).map(|()| Outcome::Passed(String::new()))
}

fn format() -> Result<Outcome, XtaskError> {
    cargo_step(&["fmt", "--all", "--check"])
}

fn tidied() -> Result<Outcome, XtaskError> {
    println!("$ cargo xtask tidy");
    tidy::run().map(|()| Outcome::Passed(String::new()))
}

fn clippy() -> Result<Outcome, XtaskError> {
    cargo_step(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])
}

fn deny() -> Result<Outcome, XtaskError> {
    install_deny()?;
    cargo_step(&["deny", "--locked", "check", "licenses", "bans", "sources"])
}

/// Advisories need a database from the network, which not every machine can fetch.
fn advisories() -> Result<Outcome, XtaskError> {
    install_deny()?;
    let mut fetch = cargo(&["deny", "--locked", "fetch", "db"]);
    fetch.env("GIT_TERMINAL_PROMPT", "0");
    println!("$ {}", command::line(&fetch));
    let fetched = command::output(&mut fetch)?;
    if !fetched.status.success() {
        let said = String::from_utf8_lossy(&fetched.stderr).into_owned();
        let last = said
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("")
            .trim();
        let why = format!("the advisory database cannot be fetched here ({last})");
        return Ok(Outcome::Impossible(why));
    }
    cargo_step(&["deny", "--locked", "check", "--disable-fetch", "advisories"])
}

fn install_deny() -> Result<(), XtaskError> {
    if command::output(&mut cargo(&["deny", "--version"]))?
        .status
        .success()
    {
        return Ok(());
    }
    println!("cargo-deny is missing; building it takes a few minutes, once");
    let arguments = [
        "install",
        "cargo-deny",
        "--locked",
        "--version",
        DENY_VERSION,
    ];
    command::run(&mut cargo(&arguments))
}

fn tests() -> Result<Outcome, XtaskError> {
    println!("$ cargo xtask test");
    let totals = suite::run(&suite::TestArguments::default())?;
    Ok(Outcome::Passed(totals.to_string()))
}

/// The long tests, with the wallet's real processes; at full size only when asked to
/// (`BYZANTINE_PAYMENTS=10000`).
fn acceptance() -> Result<Outcome, XtaskError> {
    println!("$ cargo xtask test --acceptance");
    let totals = suite::run(&suite::TestArguments::acceptance())?;
    Ok(Outcome::Passed(totals.to_string()))
}

/// The simulator, built with the bugs that its recorded seeds must find.
fn simulator(arguments: &str) -> Result<Outcome, XtaskError> {
    // The quicker allocator is built by `make`.
    let features = if command::exists("make") {
        "sabotage,jemalloc"
    } else {
        "sabotage"
    };
    let build = format!(
        "run --quiet --locked --profile swarm --package byzantine-simulator \
         --features {features} --"
    );
    let words = build.split_whitespace().chain(arguments.split_whitespace());
    cargo_step(&words.collect::<Vec<_>>())
}

/// The same for each change: what was found once, and every attack.
fn recorded() -> Result<Outcome, XtaskError> {
    simulator("ci --schedules 0 --from 1 --minutes 20")
}

/// Never the same twice. What they find is recorded as a seed and mended; it may be older than the
/// change that is looked at, and is not held against it unless that is asked for.
fn fresh() -> Result<Outcome, XtaskError> {
    let sizes = "4,4,4,4,5,4,4,4,4,6,4,4,4,4,7,4";
    let swarm = "swarm --minutes 9 --schedules 30000 --jobs 2 --keep-going --n";
    let found = simulator(&format!("{swarm} {sizes}"));
    match found {
        Err(error) if std::env::var_os(SWARM_GATE).is_none() => {
            let why =
                format!("a promise was broken ({error}); {SWARM_GATE}=1 makes that a failure");
            Ok(Outcome::Impossible(why))
        }
        outcome => outcome,
    }
}

/// Changes lines of agreement and journal that differ from `main`, or by the last commit of it.
fn mutants() -> Result<Outcome, XtaskError> {
    let base = std::env::var(BASE)
        .ok()
        .map_or_else(before_here, |base| Ok(Some(base)))?;
    let Some(base) = base else {
        let why = format!("this clone has no commit before HEAD; {BASE} names another");
        return Ok(Outcome::Impossible(why));
    };
    println!("$ cargo xtask mutants --since {base}");
    match mutants::run(&MutantsArguments::touched(base)) {
        Ok(told) => Ok(Outcome::Passed(told)),
        Err(error @ XtaskError::ChangesUnnoticed(_))
            if std::env::var_os(MUTANTS_GATE).is_none() =>
        {
            let why = format!("{error}; {MUTANTS_GATE}=1 makes that a failure");
            Ok(Outcome::Impossible(why))
        }
        Err(error) => Err(error),
    }
}

/// Where this branch left `main`; on `main` itself, the commit before, if it is here.
fn before_here() -> Result<Option<String>, XtaskError> {
    let left = revision(&["merge-base", "HEAD", "origin/main"])?;
    if left.is_some() && left != revision(&["rev-parse", "HEAD"])? {
        return Ok(left);
    }
    revision(&["rev-parse", "--verify", "--quiet", "HEAD~1"])
}

fn revision(arguments: &[&str]) -> Result<Option<String>, XtaskError> {
    let mut git = std::process::Command::new("git");
    git.current_dir(command::workspace_root()).args(arguments);
    let said = command::output(&mut git)?.stdout;
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Ok(Some(said).filter(|said| !said.is_empty()))
}

/// The stories on a cluster, where there is one.
fn end_to_end() -> Result<Outcome, XtaskError> {
    if std::env::var_os("BYZANTINE_SKIP_CLUSTER").is_some() {
        let why = "there is no cluster here, and none can be started in time";
        return Ok(Outcome::Impossible(why.to_owned()));
    }
    if let Some(why) = e2e::complaint() {
        return Ok(Outcome::Impossible(format!("no cluster: {why}")));
    }
    println!("$ cargo xtask e2e");
    let mut command = std::process::Command::new("timeout");
    command.args(["--kill-after=60", END_TO_END_SECONDS]);
    command.arg(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["xtask", "e2e"]);
    command.current_dir(command::workspace_root());
    match command::run(&mut command) {
        Ok(()) => Ok(Outcome::Passed(String::new())),
        Err(error) if std::env::var_os(GATE).is_some() => Err(error),
        Err(error) => {
            let why = format!("a story went wrong ({error}); with {GATE}=1 that fails this run");
            Ok(Outcome::Impossible(why))
        }
    }
}

fn demonstration() -> Result<Outcome, XtaskError> {
    println!("$ cargo xtask demo --built");
    demo::run(&demo::DemoArguments::built()).map(|()| Outcome::Passed(String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failed_step_is_named_at_the_end() {
        let results = [
            ("one", Duration::ZERO, Outcome::Failed("a".into())),
            ("two", Duration::ZERO, Outcome::Passed(String::new())),
            ("three", Duration::ZERO, Outcome::Failed("b".into())),
        ];
        let error = verdict(&results).unwrap_err();
        assert!(
            error.to_string().starts_with("ci: failed: one, three"),
            "{error}"
        );
    }

    #[test]
    fn what_could_not_run_is_said_loudly_and_fails_nothing() {
        let outcome = Outcome::Impossible("no network".into());
        assert_eq!(
            summary_line("advisories", Duration::from_millis(1500), &outcome),
            "!!    1.5 s  advisories: NOT CHECKED: no network"
        );
        assert!(verdict(&[("advisories", Duration::ZERO, outcome)]).is_ok());
    }
}
