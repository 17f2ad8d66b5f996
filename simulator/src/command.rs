//! The program `sim`: one run, many runs, attacks, and the way back from a failure to its cause.

mod attack;
mod ci;
mod replay;
mod sabotage;
mod shrink;
mod single;
mod swarm;
mod workers;

use clap::{Parser, Subcommand, ValueEnum};

/// Runs the whole protocol in simulated worlds.
#[derive(Debug, Parser)]
#[command(name = "sim", version)]
pub struct Command {
    #[command(subcommand)]
    action: Action,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run one seed
    Run(single::Run),
    /// Run many seeds, and fail if one of them does, or if something was never tried
    Swarm(swarm::Swarm),
    /// Let liars make one attack, or all of them
    Attack(attack::AttackRun),
    /// Switch built-in bugs on, and see that fresh seeds find each of them
    Sabotage(sabotage::Sabotage),
    /// Run the recorded seeds of a directory or a file
    Replay(replay::Replay),
    /// What every change must pass: recorded seeds, attacks, fresh schedules
    Ci(ci::Ci),
    /// Find a smaller run that breaks the same promise
    Shrink(shrink::Shrink),
}

/// What a program run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise was kept.
    Kept,
    /// One was not.
    Broken,
}

impl Command {
    /// Does what was asked.
    pub fn execute(&self) -> Verdict {
        // A panic in the core is reported as a violation; its backtrace would only be in the way.
        std::panic::set_hook(Box::new(|_| {}));
        match &self.action {
            Action::Run(run) => run.execute(self.output),
            Action::Swarm(swarm) => swarm.execute(self.output),
            Action::Attack(attack) => attack.execute(self.output),
            Action::Sabotage(sabotage) => sabotage.execute(self.output),
            Action::Replay(replay) => replay.execute(self.output),
            Action::Ci(ci) => ci.execute(self.output),
            Action::Shrink(shrink) => shrink.execute(),
        }
    }
}

/// The command that repeats a run.
fn reproduction(arguments: &str) -> String {
    format!("sim run --verbose {arguments}")
}
