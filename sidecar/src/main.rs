//! `byzantine-sidecar --config FILE [--replica N]`: one correct replica.

use std::process::ExitCode;

use byzantine_sidecar::program::{self, Arguments};
use byzantine_sidecar::{Config, Honest, Interposer, SidecarError};
use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run("byzantine-sidecar", &arguments, correct)
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "choosing a liar, elsewhere, can fail"
)]
fn correct(_: &Config) -> Result<Box<dyn Interposer>, SidecarError> {
    Ok(Box::new(Honest))
}
