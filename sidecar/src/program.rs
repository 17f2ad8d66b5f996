//! What every sidecar program does, whichever replica it is: read, log, run, and say why it ended.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::config::Config;
use crate::error::SidecarError;
use crate::interposer::Interposer;
use crate::{logging, sidecar};

/// One replica of a Byzantine service: gateway, agreement, ledger.
#[derive(Debug, Parser)]
#[command(name = "byzantine-sidecar", version)]
pub struct Arguments {
    /// The configuration, JSON or YAML.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Which replica this is, where all share one configuration.
    #[arg(long, value_name = "N")]
    pub replica: Option<u8>,
}

/// Runs the sidecar that `interposer` makes of a correct one, until it is stopped.
pub fn run<E: Display + From<SidecarError>>(
    name: &str,
    arguments: &Arguments,
    interposer: impl FnOnce(&Config) -> Result<Box<dyn Interposer>, E>,
) -> ExitCode {
    match try_run(arguments, interposer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_run<E: From<SidecarError>>(
    arguments: &Arguments,
    interposer: impl FnOnce(&Config) -> Result<Box<dyn Interposer>, E>,
) -> Result<(), E> {
    let config = Config::load_for(&arguments.config, arguments.replica);
    let config = config.map_err(SidecarError::from)?;
    logging::start(&config.log)?;
    let interposer = interposer(&config)?;
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(|source| SidecarError::Thread { source })?;
    Ok(runtime.block_on(sidecar::run(config, interposer))?)
}
