//! `cargo xtask test`: every test of the workspace, one line a test program, totals at the end.

mod transcript;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use clap::Args;

pub(crate) use transcript::Totals;
use transcript::Transcript;

use crate::command::{self, cargo};
use crate::error::XtaskError;

/// The tests that take long; they have a run of their own.
const ACCEPTANCE: &str = "byzantine-acceptance";

/// The tests that need a cluster; so do these.
const END_TO_END: &str = "byzantine-e2e";

/// What to test.
#[derive(Args, Default)]
pub(crate) struct TestArguments {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Only this crate
    #[arg(short, long)]
    package: Option<String>,
    /// The long tests with real processes, thousands of requests and third-party apps
    #[arg(long, conflicts_with = "package")]
    acceptance: bool,
}

impl TestArguments {
    /// The long tests, all of them.
    pub(crate) fn acceptance() -> Self {
        Self {
            acceptance: true,
            ..Self::default()
        }
    }
}

/// Builds the programs that tests start, runs every test, and prints the totals.
///
/// # Errors
/// [`XtaskError::TestsFailed`] naming the test programs, or what kept them from running.
pub(crate) fn run(arguments: &TestArguments) -> Result<Totals, XtaskError> {
    let beginning = Instant::now();
    println!("building the programs that tests start…");
    command::run(&mut cargo(&["build", "--locked", "--workspace", "--bins"]))?;
    let mut cargo_test = cargo_test(arguments);
    let (transcript, status) = watch(&mut cargo_test)?;
    let totals = transcript.totals();
    println!("{totals} in {:.0} s", beginning.elapsed().as_secs_f64());
    if !arguments.acceptance {
        println!("not among them: the acceptance tests; `cargo xtask test --acceptance` runs them");
        println!("nor those on a cluster; `cargo xtask e2e` runs them");
    }
    let failed_programs = transcript.failed_programs();
    if status.success() && failed_programs.is_empty() {
        return Ok(totals);
    }
    if failed_programs.is_empty() {
        // The tests do not even compile.
        let command = command::line(&cargo_test);
        return Err(XtaskError::CommandFailed { command, status });
    }
    Err(XtaskError::TestsFailed {
        failed: totals.failed,
        total: totals.passed + totals.failed,
        programs: failed_programs.join(", "),
    })
}

fn cargo_test(arguments: &TestArguments) -> Command {
    let mut command = cargo(&["test", "--locked", "--no-fail-fast", "--color", "never"]);
    match &arguments.package {
        Some(package) => command.args(["--package", package]),
        None if arguments.acceptance => command.args(["--package", ACCEPTANCE]),
        None => command.args([
            "--workspace",
            "--exclude",
            ACCEPTANCE,
            "--exclude",
            END_TO_END,
        ]),
    };
    command.args(&arguments.filter);
    command
}

/// Runs the tests and prints what a person wants to see of it.
fn watch(command: &mut Command) -> Result<(Transcript, ExitStatus), XtaskError> {
    let (reader, writer) = std::io::pipe().map_err(|source| XtaskError::file("a pipe", source))?;
    let second = writer
        .try_clone()
        .map_err(|source| XtaskError::file("a pipe", source))?;
    command.stdin(Stdio::null()).stdout(writer).stderr(second);
    let mut child = command
        .spawn()
        .map_err(|error| command::cannot_start(command, error))?;
    // The command holds the pipe's writing ends, and reading ends only when they close.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut transcript = Transcript::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.map_err(|source| XtaskError::file("the output of tests", source))?;
        for shown in transcript.line(&String::from_utf8_lossy(&line)) {
            println!("{shown}");
        }
    }
    let status = child
        .wait()
        .map_err(|source| XtaskError::file("cargo test", source))?;
    Ok((transcript, status))
}
