//! Rule `named-files`: files and directories that documents name in code spans exist.
//!
//! A span counts as a path when it begins with a directory of the root, or is a file of the
//! root by its ending. `{a,b}` in a path means each of them.

use std::collections::BTreeSet;

use crate::tidy::markdown;
use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

/// Every named file that does not exist.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let roots: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.split_once('/'))
        .map(|pair| pair.0)
        .collect();
    let documents = files.iter().filter(|file| file.is_markdown());
    documents
        .flat_map(|file| {
            let spans = markdown::code_spans(&file.text).into_iter();
            let paths = spans.filter(|(_, span)| is_path(span, &roots));
            let each = paths
                .flat_map(|(line, span)| expanded(&span).into_iter().map(move |path| (line, path)));
            each.filter(|(_, path)| !exists(files, path))
                .map(|(line, path)| violation(file, line, &path))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn violation(file: &SourceFile, line: usize, path: &str) -> Violation {
    Violation {
        path: file.path.clone(),
        line,
        rule: "named-files",
        why: format!("`{path}` does not exist"),
        advice: "name what is there now; the document must tell the truth",
    }
}

fn is_path(span: &str, roots: &BTreeSet<&str>) -> bool {
    let plain = |one: char| one.is_ascii_alphanumeric() || "._-/{},".contains(one);
    let rooted = span
        .split_once('/')
        .is_some_and(|(first, _)| roots.contains(first));
    span.chars().all(plain) && rooted
}

/// `a/{b,c}.rs` → `a/b.rs`, `a/c.rs`.
fn expanded(span: &str) -> Vec<String> {
    let Some((before, rest)) = span.split_once('{') else {
        return vec![span.into()];
    };
    let Some((inside, after)) = rest.split_once('}') else {
        return vec![span.into()];
    };
    inside
        .split(',')
        .flat_map(|one| expanded(&format!("{before}{one}{after}")))
        .collect()
}

fn exists(files: &[SourceFile], path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let directory = format!("{path}/");
    files
        .iter()
        .any(|file| file.path == path || file.path.starts_with(&directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<String> {
        let files = [
            SourceFile::new("ARCHITECTURE.md", text),
            SourceFile::new("proof/src/leaf.rs", ""),
            SourceFile::new("proof/src/tree.rs", ""),
        ];
        check(&files).into_iter().map(|one| one.why).collect()
    }

    #[test]
    fn what_exists_passes() {
        let text = "`proof/src/leaf.rs`, `proof/src/`, `proof/src/{leaf,tree}.rs`, `other/x.rs`, \
                    `f/x`, `GET /status`";
        assert_eq!(missing(text), [""; 0]);
    }

    #[test]
    fn what_is_missing_fails() {
        assert_eq!(
            missing("`proof/src/leaf.c`"),
            ["`proof/src/leaf.c` does not exist"]
        );
        assert_eq!(
            missing("`proof/src/{leaf,root}.rs`"),
            ["`proof/src/root.rs` does not exist"]
        );
    }
}
