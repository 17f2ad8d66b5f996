//! Standard output and error of the process.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use owo_colors::{OwoColorize as _, Stream};
use serde::Serialize;

/// Prints text to standard output. A reader that went away (`| head`) ends the program quietly.
pub(crate) fn print(text: impl Display) {
    print_bytes(format!("{text}\n").as_bytes());
}

/// Prints bytes to standard output as they are.
pub(crate) fn print_bytes(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    if stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .is_err()
    {
        std::process::exit(0);
    }
}

/// Prints a JSON document to standard output.
pub(crate) fn print_json(document: &impl Serialize) {
    let text = serde_json::to_string_pretty(document);
    print(text.expect("documents of strings and numbers always serialise"));
}

/// Prints text to standard error; nothing can be done when that fails.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints an error with its cause and next step.
pub(crate) fn complain(error: &impl Display) {
    let word = "error:"
        .if_supports_color(Stream::Stderr, |word| word.red())
        .to_string();
    note(format_args!("{word} {error}"));
}

/// Prints a warning.
pub(crate) fn warn(text: impl Display) {
    let word = "warning:"
        .if_supports_color(Stream::Stderr, |word| word.yellow())
        .to_string();
    note(format_args!("{word} {text}"));
}

/// Whether a person watches standard error.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}
