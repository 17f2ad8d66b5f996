//! `byzantine-sidecar --config FILE`: one correct replica.

use std::path::PathBuf;
use std::process::ExitCode;

use byzantine_sidecar::{Config, Honest, SidecarError, logging, sidecar};
use clap::Parser;

/// One replica of a Byzantine service: gateway, agreement, ledger.
#[derive(Debug, Parser)]
#[command(name = "byzantine-sidecar", version)]
struct Arguments {
    /// The configuration, JSON or YAML.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("byzantine-sidecar: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), SidecarError> {
    let config = Config::load(&arguments.config)?;
    logging::start(&config.log)?;
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(|source| SidecarError::Thread { source })?;
    runtime.block_on(sidecar::run(config, Box::new(Honest)))
}
