//! `cargo xtask mutants`: changes one place after the other in agreement and journal, and asks
//! whether a test notices. What nobody notices is not tested.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use serde::Deserialize;

use crate::command::{self, cargo, workspace_root};
use crate::error::XtaskError;

/// The version of cargo-mutants whose arguments and report these are.
const VERSION: &str = "27.1.0";

/// What must not be wrong.
const PACKAGES: [&str; 2] = ["byzantine-consensus", "byzantine-journal"];

/// Their tests, and the simulator's: what no example shows, a recorded seed may.
const TESTED: &str = "byzantine-consensus,byzantine-journal,byzantine-simulator";

/// Of a hundred changes, so many must be noticed.
const NOTICED: u64 = 95;

/// Each takes a minute where others compile too, and the first build three: CI has 45.
const TRIED_BY_CI: u32 = 6;

/// Which changes are tried.
#[derive(Args)]
pub(crate) struct MutantsArguments {
    /// One of so many, spread evenly over the code
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    one_in: u32,
    /// At most so many: fewer of them if there are more
    #[arg(long, value_name = "CHANGES", value_parser = clap::value_parser!(u32).range(1..))]
    most: Option<u32>,
    /// Only in lines that differ from this revision
    #[arg(long, value_name = "REVISION")]
    since: Option<String>,
}

impl MutantsArguments {
    /// What CI tries: some of the lines that a change touches.
    pub(crate) fn touched(since: String) -> Self {
        Self {
            one_in: 1,
            most: Some(TRIED_BY_CI),
            since: Some(since),
        }
    }
}

/// How many changes there were, and what became of them.
#[derive(Debug, Deserialize)]
struct Outcomes {
    missed: u64,
    caught: u64,
    timeout: u64,
    unviable: u64,
}

impl Outcomes {
    /// Whether enough of those that compile were noticed; one that never ends was.
    fn are_enough(&self) -> bool {
        let noticed = self.caught + self.timeout;
        noticed * 100 >= (noticed + self.missed) * NOTICED
    }
}

impl std::fmt::Display for Outcomes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let noticed = self.caught + self.timeout;
        let tried = noticed + self.missed;
        write!(
            formatter,
            "{noticed} of {tried} changes noticed, {} did not compile",
            self.unviable
        )
    }
}

/// Tries the changes; each that no test noticed is printed, and listed in
/// `target/mutants/mutants.out/missed.txt`.
///
/// # Errors
/// [`XtaskError::ChangesUnnoticed`], or what kept them from being tried.
pub(crate) fn run(arguments: &MutantsArguments) -> Result<String, XtaskError> {
    install()?;
    let output = workspace_root().join("target/mutants");
    let difference = arguments.since.as_deref().map(difference).transpose()?;
    let among = || {
        let mut mutants = cargo(&["mutants", "--no-shuffle"]);
        mutants.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        let within = difference.iter();
        mutants.args(within.flat_map(|path| [OsStr::new("--in-diff"), path.as_os_str()]));
        mutants
    };
    let one_in = match arguments.most {
        Some(most) => arguments.one_in.max(count(&mut among())?.div_ceil(most)),
        None => arguments.one_in,
    };
    let mut mutants = among();
    mutants.args(["--test-package", TESTED, "--sharding", "round-robin"]);
    mutants.arg("--shard").arg(format!("0/{one_in}"));
    mutants.arg("--output").arg(&output);
    println!("$ {}", command::line(&mutants));
    // Its status says less than its report.
    let ran = command::run(&mut mutants);
    let report = output.join("mutants.out/outcomes.json");
    let Ok(text) = std::fs::read_to_string(&report) else {
        return ran.map(|()| "no line that can be changed".to_owned());
    };
    let outcomes: Outcomes = serde_json::from_str(&text)
        .map_err(|error| XtaskError::file(&report, std::io::Error::other(error)))?;
    if outcomes.are_enough() {
        return Ok(outcomes.to_string());
    }
    Err(XtaskError::ChangesUnnoticed(outcomes.to_string()))
}

/// How many changes there are.
fn count(mutants: &mut Command) -> Result<u32, XtaskError> {
    let listed = command::output(mutants.arg("--list"))?;
    let lines = String::from_utf8_lossy(&listed.stdout).lines().count();
    Ok(u32::try_from(lines).unwrap_or(u32::MAX))
}

/// What differs from a revision, as a file.
fn difference(revision: &str) -> Result<PathBuf, XtaskError> {
    let path = workspace_root().join("target/mutants/since.diff");
    let mut git = Command::new("git");
    git.current_dir(workspace_root());
    let written = command::output(git.args(["diff", revision, "--", "consensus", "journal"]))?;
    let directory = path.parent().unwrap_or(&path);
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, written.stdout))
        .map_err(|error| XtaskError::file(&path, error))?;
    Ok(path)
}

fn install() -> Result<(), XtaskError> {
    let version = command::output(&mut cargo(&["mutants", "--version"]))?;
    if String::from_utf8_lossy(&version.stdout).contains(VERSION) {
        return Ok(());
    }
    println!("cargo-mutants {VERSION} is missing; building it takes a few minutes, once");
    let arguments = ["install", "cargo-mutants", "--locked", "--version", VERSION];
    command::run(&mut cargo(&arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(caught: u64, timeout: u64, missed: u64) -> Outcomes {
        Outcomes {
            missed,
            caught,
            timeout,
            unviable: 7,
        }
    }

    #[test]
    fn ninety_five_of_a_hundred_are_enough() {
        assert!(outcomes(95, 0, 5).are_enough());
        assert!(outcomes(90, 5, 5).are_enough());
        assert!(!outcomes(94, 0, 6).are_enough());
        assert!(
            outcomes(0, 0, 0).are_enough(),
            "nothing was there to change"
        );
    }
}
