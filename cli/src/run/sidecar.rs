//! The hidden `byz sidecar`: one replica's sidecar, honest or not, which ends with `byz run`.

use std::path::PathBuf;
use std::process::ExitCode;

use byzantine_adversary::{Fault, Seed, interposer};
use byzantine_sidecar::shutdown::Signals;
use byzantine_sidecar::{Config, Honest, Interposer, logging, sidecar};
use clap::Args;
use tokio::io::AsyncReadExt as _;

use crate::error::CliError;

/// Arguments of `byz sidecar`.
#[derive(Debug, Args)]
pub(crate) struct SidecarArguments {
    /// The configuration, JSON or YAML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How this replica misbehaves
    #[arg(long, value_name = "KIND")]
    fault: Option<Fault>,
}

pub(crate) async fn execute(arguments: SidecarArguments) -> Result<ExitCode, CliError> {
    let config = Config::load(&arguments.config).map_err(byzantine_sidecar::SidecarError::from)?;
    logging::start(&config.log)?;
    let interposer: Box<dyn Interposer> = match arguments.fault {
        Some(fault) => interposer(fault, Seed(config.replica.into())),
        None => Box::new(Honest),
    };
    let signals = Signals::new()?;
    let stop = async {
        tokio::select! {
            () = signals.first() => {}
            () = end_of_input() => {}
        }
    };
    sidecar::run_until(config, interposer, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Resolves when `byz run`, which holds the other end of the pipe, is gone.
async fn end_of_input() {
    let (mut stdin, mut bytes) = (tokio::io::stdin(), [0; 64]);
    while stdin.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}
