//! Why a manifest was refused.

use crate::problem::Problem;

/// A manifest that cannot be used; each message says why and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// The text is too long to be a manifest.
    #[error(
        "the manifest has {length} bytes: at most {limit} are read\n    next: check that this is \
         the right file"
    )]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest one read, in bytes.
        limit: usize,
    },
    /// The text is not YAML.
    #[error(
        "document {document} is not YAML: {cause}\n    next: check the indentation there; lists \
         and mappings must not be mixed, and tabs are not allowed"
    )]
    Syntax {
        /// Which document of the file, from 1.
        document: usize,
        /// The parser's words, with line and column.
        cause: String,
    },
    /// No document is a `ByzantineService`.
    #[error(
        "no ByzantineService here; found: {found}\n    next: give the file with `apiVersion: \
         byzantine.dev/v1alpha1` and `kind: ByzantineService`"
    )]
    Absent {
        /// The kinds that are there.
        found: String,
    },
    /// Several services, and none was chosen.
    #[error(
        "{count} ByzantineServices here: {names}\n    next: choose one with --name, or split the \
         file"
    )]
    Several {
        /// How many.
        count: usize,
        /// Their names.
        names: String,
    },
    /// No service has the chosen name.
    #[error(
        "no ByzantineService named `{name}` here; there is: {names}\n    next: choose one of those"
    )]
    Unnamed {
        /// The chosen name.
        name: String,
        /// The names that are there.
        names: String,
    },
    /// A field has a wrong name or type.
    #[error("the manifest has a field that cannot be read (line {line}):\n  {problem}")]
    Shape {
        /// The line in the file, from 1; 0 when unknown.
        line: usize,
        /// Which field and why.
        problem: Problem,
    },
    /// Fields break rules.
    #[error("the manifest breaks {}:\n{}", rules(.problems), listed(.problems))]
    Invalid {
        /// Every broken rule.
        problems: Vec<Problem>,
    },
}

fn rules(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "a rule".to_owned(),
        count => format!("{count} rules"),
    }
}

fn listed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("  {problem}"))
        .collect();
    lines.join("\n")
}
