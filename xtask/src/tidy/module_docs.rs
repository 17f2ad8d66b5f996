//! Rule `module-docs`: every Rust file says in its first lines what it is for, and briefly.

use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

const LINES_MAX: usize = 10;

/// Every file without a module doc, or with one too long to be read.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .filter_map(violation)
        .collect()
}

fn violation(file: &SourceFile) -> Option<Violation> {
    let lines = file
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .count();
    let (why, advice) = match lines {
        0 => (
            "does not begin with `//!`".into(),
            "say its purpose and invariants first",
        ),
        1..=LINES_MAX => return None,
        _ => (
            format!("its doc has {lines} lines, the limit is {LINES_MAX}"),
            "keep the essence",
        ),
    };
    Some(Violation {
        path: file.path.clone(),
        line: 1,
        rule: "module-docs",
        why,
        advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(text: &str) -> bool {
        check(&[SourceFile::new("a.rs", text)]).is_empty()
    }

    #[test]
    fn a_short_doc_passes() {
        assert!(passes("//! What it is for.\n\nuse a::b;"));
        assert!(passes(&"//! A line.\n".repeat(LINES_MAX)));
    }

    #[test]
    fn a_missing_or_endless_doc_fails() {
        assert!(!passes("use a::b;\n//! Too late."));
        assert!(!passes(""));
        assert!(!passes(&"//! A line.\n".repeat(LINES_MAX + 1)));
    }
}
