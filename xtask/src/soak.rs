//! `cargo xtask soak`: the wallet for long, under load and random kills, and what it took.

use std::path::PathBuf;
use std::process::Command;

use cargo_metadata::MetadataCommand;
use clap::Args;

use crate::command::{self, cargo, workspace_root};
use crate::error::XtaskError;

/// The programs that a run needs, as they are shipped.
const BUILD: [&str; 10] = [
    "build",
    "--release",
    "-p",
    "byz",
    "-p",
    "byzantine-sidecar",
    "-p",
    "wallet",
    "-p",
    "byzantine-acceptance",
];

/// How long, and what decides who is killed.
#[derive(Args)]
pub(crate) struct SoakArguments {
    /// How long the load goes on
    #[arg(long, default_value_t = 30)]
    minutes: u32,
    /// What decides who is killed, and when
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Payments a second, of all clients together
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Put the plot into `docs/soak.svg`, where `docs/soak.md` shows it
    #[arg(long)]
    publish: bool,
}

/// Builds, runs, and leaves the samples in `target/soak.csv`, the plot in `target/soak.svg`.
///
/// # Errors
/// When something acknowledged was lost, the ledgers differ, or memory or disk grew.
pub(crate) fn run(arguments: &SoakArguments) -> Result<(), XtaskError> {
    command::run(&mut cargo(&BUILD))?;
    let root = workspace_root();
    let target = root.join("target");
    std::fs::create_dir_all(&target).map_err(|error| XtaskError::file(&target, error))?;
    let plot = if arguments.publish {
        root.join("docs/soak.svg")
    } else {
        target.join("soak.svg")
    };
    // Not by `cargo run`, which would build anew what only others' features need.
    let mut soak = Command::new(target_directory()?.join("release/soak"));
    soak.current_dir(&root);
    soak.args(["--minutes", &arguments.minutes.to_string()]);
    soak.args(["--seed", &arguments.seed.to_string()]);
    soak.args(["--rate", &arguments.rate.to_string()]);
    soak.arg("--csv").arg(target.join("soak.csv"));
    soak.arg("--svg").arg(plot);
    command::run(&mut soak)
}

/// Where cargo puts programs, whatever the environment says about it.
fn target_directory() -> Result<PathBuf, XtaskError> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    Ok(metadata.target_directory.into())
}
