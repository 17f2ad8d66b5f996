//! Running other programs, from the root of the workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::error::XtaskError;

/// The root of the workspace: the directory above this crate's.
pub(crate) fn workspace_root() -> PathBuf {
    let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_directory
        .parent()
        .unwrap_or(crate_directory)
        .to_owned()
}

/// What `cargo run` says to this program about its own package. Build scripts that look at these
/// would run again, and all that rests on them, whenever cargo is called here and then by hand.
const OF_ANOTHER_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// `cargo` with these arguments, to be run in the root of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace_root());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if OF_ANOTHER_PACKAGE
            .iter()
            .any(|start| name.starts_with(start))
        {
            command.env_remove(&*name);
        }
    }
    command
}

/// Runs a program whose output the reader sees.
///
/// # Errors
/// [`XtaskError::CannotStart`] or [`XtaskError::CommandFailed`].
pub(crate) fn run(command: &mut Command) -> Result<(), XtaskError> {
    let status = command
        .status()
        .map_err(|source| cannot_start(command, source))?;
    if status.success() {
        return Ok(());
    }
    Err(XtaskError::CommandFailed {
        command: line(command),
        status,
    })
}

/// Whether a program is installed that says its version.
pub(crate) fn exists(program: &str) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|said| said.status.success())
}

/// Runs a program for its output, whatever its exit status.
///
/// # Errors
/// [`XtaskError::CannotStart`].
pub(crate) fn output(command: &mut Command) -> Result<Output, XtaskError> {
    command
        .output()
        .map_err(|source| cannot_start(command, source))
}

/// The error for a program that did not start.
pub(crate) fn cannot_start(command: &Command, source: std::io::Error) -> XtaskError {
    XtaskError::CannotStart {
        command: line(command),
        source,
    }
}

/// A command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy();
    command
        .get_args()
        .fold(name.into_owned(), |line, argument| {
            format!("{line} {}", argument.to_string_lossy())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_types_it() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--locked"]);
        assert_eq!(line(&command), "cargo test --locked");
    }

    #[test]
    fn a_failing_program_is_an_error_with_its_command() {
        let error = run(&mut Command::new("false")).unwrap_err();
        assert!(error.to_string().starts_with("`false` failed"), "{error}");
    }

    #[test]
    fn a_missing_program_is_an_error_with_its_name() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(
            error.to_string().contains("no-such-program-here"),
            "{error}"
        );
    }
}
