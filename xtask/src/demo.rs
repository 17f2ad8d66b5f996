//! `cargo xtask demo`: the wallet on four replicas, one killed in the middle, every proof checked.
//!
//! The service runs in a fresh temporary directory on free ports. Whatever happens, it is stopped;
//! where something went wrong the directory stays, and the error names it.

mod byz;
mod plain_client;
mod ports;
mod processes;
mod service;
mod story;
mod wallet;

use clap::Args;

use crate::command::{self, cargo};
use crate::demo::service::Service;
use crate::error::XtaskError;

/// How to run the demonstration.
#[derive(Args, Default)]
pub(crate) struct DemoArguments {
    /// Leave the service running afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Run what is built already
    #[arg(long)]
    built: bool,
}

impl DemoArguments {
    /// After a build of the whole workspace: cargo would build the same programs again, since
    /// features that only others need are then left out.
    pub(crate) fn built() -> Self {
        Self {
            built: true,
            ..Self::default()
        }
    }
}

/// Runs the demonstration.
///
/// # Errors
/// What kept it from running, or what it saw that it should not have.
pub(crate) fn run(arguments: &DemoArguments) -> Result<(), XtaskError> {
    println!("A wallet on four replicas, of which any one may crash or lie.\n");
    if !arguments.built {
        build()?;
    }
    let directory = tempfile::Builder::new()
        .prefix("byzantine-demo-")
        .tempdir()
        .map_err(|source| XtaskError::file(std::env::temp_dir(), source))?;
    let told = Service::start(directory.path())
        .and_then(|mut service| story::tell(&mut service, arguments.keep));
    if told.is_err() || arguments.keep {
        let kept = directory.keep();
        eprintln!("\nLogs and data of this run are in {}", kept.display());
    }
    told
}

/// Builds what is run. The profile is the one of `cargo test`: its dependencies are optimised, and
/// most of them are compiled once for the two first commands of a newcomer.
fn build() -> Result<(), XtaskError> {
    println!("Building byz and the wallet (the first time this takes a few minutes)");
    command::run(&mut cargo(&[
        "build",
        "--locked",
        "--package",
        "byz",
        "--package",
        "wallet",
    ]))
}

/// The error of a demonstration that saw something wrong.
fn seen(what: impl Into<String>, next: &str) -> XtaskError {
    XtaskError::Demo {
        what: what.into(),
        next: next.into(),
    }
}
