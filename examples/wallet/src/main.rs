//! The wallet's process: arguments, start, stop.

use std::process::ExitCode;

use clap::Parser;
use wallet::arguments::Arguments;
use wallet::server;

#[tokio::main]
async fn main() -> ExitCode {
    match server::run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wallet: {error}");
            ExitCode::FAILURE
        }
    }
}
