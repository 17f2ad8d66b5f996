//! The soak: `cargo xtask soak` builds and runs it.

use std::process::ExitCode;

use byzantine_acceptance::soak::{self, SoakOptions};
use clap::Parser;

/// Runs the wallet for long, under load and kills, and says whether it stayed as it was.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: SoakOptions,
}

#[tokio::main]
async fn main() -> ExitCode {
    match soak::run(&Arguments::parse().options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaints) => {
            eprintln!("\nerror: it grows:\n{}", complaints.join("\n"));
            ExitCode::FAILURE
        }
    }
}
