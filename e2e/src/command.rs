//! Running a program to its end, with its input given and its output kept.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// How a program ended, and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The command line.
    pub line: String,
    /// Whether it succeeded.
    pub success: bool,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Ran {
    /// Standard output of a program that must have succeeded.
    ///
    /// # Panics
    /// When it failed, with what it said.
    pub fn expected(self) -> String {
        assert!(
            self.success,
            "`{}` failed:\n{}{}",
            self.line, self.output, self.errors
        );
        self.output
    }

    /// Standard error of a program that must have failed.
    ///
    /// # Panics
    /// When it succeeded.
    pub fn refused(self) -> String {
        assert!(
            !self.success,
            "`{}` should have failed:\n{}",
            self.line, self.output
        );
        self.errors
    }
}

/// Runs `program`, with `input` as its standard input.
///
/// # Panics
/// When it cannot be started.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Ran {
    let mut command = Command::new(program);
    command.args(arguments).env("NO_COLOR", "1");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let line = format!("{program} {}", arguments.join(" "));
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("cannot start {program}: {error}; is it installed and in PATH?")
    });
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends without reading its input says why by itself.
        let _ = pipe.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().expect("a started program ends");
    Ran {
        line,
        success: output.status.success(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
