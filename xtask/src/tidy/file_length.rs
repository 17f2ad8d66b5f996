//! Rule `file-length`: no Rust file is longer than a reader keeps in mind.

use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

const LINES_MAX: usize = 600;

/// Every Rust file over the limit.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LINES_MAX).then(|| Violation {
            path: file.path.clone(),
            line: LINES_MAX + 1,
            rule: "file-length",
            why: format!("{lines} lines, the limit is {LINES_MAX}"),
            advice: "move one of its concepts into a file of its own, named for it",
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_passes() {
        let file = SourceFile::new("a/src/lib.rs", &"\n".repeat(LINES_MAX));
        assert_eq!(check(&[file]), []);
    }

    #[test]
    fn one_line_more_fails() {
        let file = SourceFile::new("a/src/lib.rs", &"\n".repeat(LINES_MAX + 1));
        let found = check(&[file]);
        assert_eq!(found[0].why, "601 lines, the limit is 600");
    }

    #[test]
    fn other_files_may_be_long() {
        assert_eq!(
            check(&[SourceFile::new("Cargo.lock", &"\n".repeat(5000))]),
            []
        );
    }
}
