//! One broken rule at one place, with what to do about it.

use std::fmt;

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// The file, relative to the root of the workspace.
    pub(crate) path: String,
    /// The line, from 1; 0 when it is about the whole file.
    pub(crate) line: usize,
    /// The name of the rule.
    pub(crate) rule: &'static str,
    /// What was found, and why it is not wanted.
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) advice: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            rule,
            why,
            advice,
        } = self;
        write!(formatter, "{path}:{line}: {rule}: {why}\n    → {advice}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_place_rule_why_advice() {
        let violation = Violation {
            path: "proof/src/lib.rs".into(),
            line: 7,
            rule: "line-width",
            why: "104 columns, the limit is 100".into(),
            advice: "break the line",
        };
        let expected =
            "proof/src/lib.rs:7: line-width: 104 columns, the limit is 100\n    → break the line";
        assert_eq!(violation.to_string(), expected);
    }
}
