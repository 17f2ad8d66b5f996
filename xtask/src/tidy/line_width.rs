//! Rule `line-width`: no line of Rust is wider than two editors side by side can show.

use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

const COLUMNS_MAX: usize = 100;

/// Every line over the limit.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(wide_lines)
        .collect()
}

fn wide_lines(file: &SourceFile) -> impl Iterator<Item = Violation> + '_ {
    file.text.lines().enumerate().filter_map(|(index, line)| {
        let columns = line.chars().count();
        (columns > COLUMNS_MAX).then(|| Violation {
            path: file.path.clone(),
            line: index + 1,
            rule: "line-width",
            why: format!("{columns} columns, the limit is {COLUMNS_MAX}"),
            advice: "break the line; a long literal can be broken with a trailing backslash",
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_passes_in_characters_not_bytes() {
        let file = SourceFile::new("a.rs", &format!("// {}\n", "ü".repeat(COLUMNS_MAX - 3)));
        assert_eq!(check(&[file]), []);
    }

    #[test]
    fn one_column_more_fails() {
        let file = SourceFile::new("a.rs", &format!("\n// {}\n", "a".repeat(COLUMNS_MAX - 2)));
        let found = check(&[file]);
        assert_eq!(
            (found[0].line, found[0].why.as_str()),
            (2, "101 columns, the limit is 100")
        );
    }

    #[test]
    fn prose_may_be_wide() {
        assert_eq!(check(&[SourceFile::new("a.md", &"a".repeat(300))]), []);
    }
}
