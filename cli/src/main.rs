//! `byz`: run, call, verify and diagnose Byzantine services.
//!
//! Exit codes: 0 done or verified · 1 failed or not verified · 2 wrong use · 3 cannot decide.

mod arguments;
mod audit;
mod bench;
mod call;
mod data;
mod doctor;
mod error;
mod explanation;
mod files;
mod http_client;
mod instant;
mod keygen;
mod output;
mod policy;
mod request;
mod run;
mod status;
mod transcript;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::arguments::{Arguments, Command};
use crate::error::CliError;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Run(arguments) => block_on(run::execute(*arguments)),
        Command::Call(arguments) => block_on(call::execute(arguments)),
        Command::Verify(arguments) => verify::execute(&arguments),
        Command::Policy(arguments) => block_on(policy::execute(arguments)),
        Command::Status(arguments) => block_on(status::execute(arguments)),
        Command::Doctor(arguments) => block_on(doctor::execute(arguments)),
        Command::Audit(arguments) => audit::execute(&arguments),
        Command::Bench(arguments) => block_on(bench::execute(arguments)),
        Command::Keygen(arguments) => keygen::execute(&arguments),
        Command::Completions(arguments) => {
            let mut script = Vec::new();
            let shell = arguments.shell;
            clap_complete::generate(shell, &mut Arguments::command(), "byz", &mut script);
            output::print_bytes(&script);
            Ok(ExitCode::SUCCESS)
        }
        Command::Sidecar(arguments) => block_on(run::sidecar(arguments)),
        Command::Guard(arguments) => run::guard(&arguments),
    }
}

/// Runs a command's future on a runtime of its own.
fn block_on(
    future: impl Future<Output = Result<ExitCode, CliError>>,
) -> Result<ExitCode, CliError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|source| CliError::Runtime { source })?;
    let result = runtime.block_on(future);
    // Threads that still wait for standard input must not hold the exit back.
    runtime.shutdown_background();
    result
}
