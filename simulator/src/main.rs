//! `sim`: simulated worlds. Exits with 1 when a promise is broken.

use std::process::ExitCode;

use byzantine_simulator::command::{Command, Verdict};
use clap::Parser as _;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match Command::parse().execute() {
        Verdict::Kept => ExitCode::SUCCESS,
        Verdict::Broken => ExitCode::FAILURE,
    }
}
