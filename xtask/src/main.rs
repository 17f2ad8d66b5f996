//! The project's own chores; `cargo xtask --help` lists them.
//!
//! Each chore is one module that returns an [`XtaskError`] stating what failed and what to do
//! next. `ci` is the other three and the compiler's own checks, in one list.

mod ci;
mod command;
mod coverage;
mod demo;
mod e2e;
mod error;
mod fuzz;
mod images;
mod kind;
mod mutants;
mod soak;
mod suite;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::XtaskError;

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Tell which places of agreement no simulated world enters
    Coverage(coverage::CoverageArguments),
    /// Run the wallet on four replicas, kill one, and check every proof
    Demo(demo::DemoArguments),
    /// Tell the end-to-end stories on a real cluster
    E2e(e2e::EndToEndArguments),
    /// Look for bytes that break a decoder, with libFuzzer
    Fuzz(fuzz::FuzzArguments),
    /// A cluster of kind, for those with Docker
    #[command(subcommand)]
    Kind(kind::KindChore),
    /// Build the container images and write them as archives
    Images(images::ImagesArguments),
    /// Change agreement and journal, one place at a time, and ask whether a test notices
    Mutants(mutants::MutantsArguments),
    /// Run the wallet for long under load and kills, and plot what it takes
    Soak(soak::SoakArguments),
    /// Run every test of the workspace
    Test(suite::TestArguments),
    /// Check the rules that neither the compiler nor clippy knows
    Tidy,
    /// Everything that must pass before a change lands
    Ci,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &Chore) -> Result<(), XtaskError> {
    match chore {
        Chore::Coverage(arguments) => coverage::run(arguments),
        Chore::Demo(arguments) => demo::run(arguments),
        Chore::E2e(arguments) => e2e::run(arguments),
        Chore::Fuzz(arguments) => fuzz::run(arguments),
        Chore::Kind(chore) => kind::run(chore),
        Chore::Images(arguments) => images::run(arguments),
        Chore::Mutants(arguments) => mutants::run(arguments).map(|told| println!("{told}")),
        Chore::Soak(arguments) => soak::run(arguments),
        Chore::Test(arguments) => suite::run(arguments).map(drop),
        Chore::Tidy => tidy::run(),
        Chore::Ci => ci::run(),
    }
}
