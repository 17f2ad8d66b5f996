//! Programs from public registries, installed once and kept with the build.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::size;

/// Where a package is, installed once and kept with the build; none if it may be skipped.
///
/// # Panics
/// When it cannot be installed and may not be skipped.
pub fn installed(name: &str, install: fn(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let directory = kept().join(name);
    let mark = directory.join("installed");
    if mark.exists() {
        return Some(directory);
    }
    let _ = std::fs::remove_dir_all(&directory);
    match install(&directory) {
        Ok(()) => std::fs::write(mark, "").expect("the directory was just made"),
        Err(why) if size::may_skip_third_parties() => {
            println!("SKIPPED: {name} cannot be installed: {why}");
            return None;
        }
        Err(why) => panic!(
            "{name} cannot be installed: {why}\nSet {}=1 to go on without it.",
            size::SKIP_VARIABLE
        ),
    }
    Some(directory)
}

/// Makes a Python environment with these packages.
///
/// # Errors
/// What `venv` or `pip` said.
pub fn python_packages(directory: &Path, packages: &[&str]) -> Result<(), String> {
    run(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
    let pip = directory.join("bin/pip");
    run(Command::new(pip)
        .args(["install", "--quiet"])
        .args(packages))
}

/// Runs a command to its end.
///
/// # Errors
/// What it said, when it fails.
pub fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!(
        "{command:?} ended with {}: {errors}",
        output.status
    ))
}

/// Where cargo lets integration tests keep files.
fn kept() -> PathBuf {
    let tests = std::env::current_exe().expect("a running test has a path");
    let target = tests.ancestors().nth(3);
    target
        .expect("a test lies in target/debug/deps")
        .join("tmp")
}
