//! The changes that cargo-mutants would make, one at a time, and where.

use std::process::Command;

use serde::Deserialize;

use crate::command;
use crate::error::XtaskError;

/// One change of one place, with a number by which it is switched on.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// From 1; nothing is changed by 0.
    pub(super) number: u32,
    /// Relative to the root of the workspace.
    pub(super) file: String,
    pub(super) genre: Genre,
    /// Where it begins: line and column, from 1.
    pub(super) at: (usize, usize),
    /// What is there instead.
    pub(super) replacement: String,
    /// What it does, and in which function.
    pub(super) what: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (line, column) = self.at;
        write!(formatter, "{}:{line}:{column}: {}", self.file, self.what)
    }
}

/// What kind of place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Genre {
    /// A function returns this at once.
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
    /// Not known here.
    #[serde(other)]
    Other,
}

/// As cargo-mutants lists it.
#[derive(Deserialize)]
struct Listed {
    file: String,
    genre: Genre,
    name: String,
    replacement: String,
    span: Span,
}

#[derive(Deserialize)]
struct Span {
    start: Position,
}

#[derive(Deserialize)]
struct Position {
    line: usize,
    column: usize,
}

/// Asks cargo-mutants, whose arguments say where to look.
///
/// # Errors
/// [`XtaskError::CannotStart`], or [`XtaskError::File`] with what it said instead of a list.
pub(super) fn list(mutants: &mut Command) -> Result<Vec<Change>, XtaskError> {
    let told = command::output(mutants.args(["--list", "--json"]))?;
    if told.stdout.is_empty() && told.status.success() {
        return Ok(Vec::new());
    }
    let listed: Vec<Listed> = serde_json::from_slice(&told.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&told.stderr);
        let why = format!("{error}: {}", said.trim());
        XtaskError::file("the list of cargo-mutants", std::io::Error::other(why))
    })?;
    Ok((1..).zip(listed).map(change).collect())
}

fn change((number, listed): (u32, Listed)) -> Change {
    let at = (listed.span.start.line, listed.span.start.column);
    let place = format!("{}:{}:{}: ", listed.file, at.0, at.1);
    let what = listed.name.strip_prefix(&place).unwrap_or(&listed.name);
    Change {
        number,
        at,
        what: what.to_owned(),
        file: listed.file,
        genre: listed.genre,
        replacement: listed.replacement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_change_has_its_place_and_says_what_it_does() {
        let listed = r#"{"file": "a.rs", "genre": "BinaryOperator", "replacement": "!=",
            "name": "a.rs:3:9: replace == with != in f", "package": "a",
            "span": {"start": {"line": 3, "column": 9}, "end": {"line": 3, "column": 11}}}"#;
        let change = change((7, serde_json::from_str(listed).unwrap()));
        assert_eq!(change.at, (3, 9));
        assert_eq!(change.what, "replace == with != in f");
        assert_eq!(change.to_string(), "a.rs:3:9: replace == with != in f");
    }
}
