//! Rule `leftovers`: nothing is committed with a note that it is unfinished.
//!
//! Looks at everything but the insides of Rust string literals.

use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;
use crate::tidy::words::words;

const NOTES: [&str; 3] = ["TODO", "FIXME", "XXX"];
const MACROS: [&str; 2] = ["todo", "unimplemented"];

/// Every note of unfinished work.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    files
        .iter()
        .flat_map(|file| in_file(file).collect::<Vec<_>>())
        .collect()
}

fn in_file(file: &SourceFile) -> Box<dyn Iterator<Item = Violation> + '_> {
    if !file.is_rust() {
        return Box::new(notes(file, &file.text));
    }
    let macros = words(&file.code)
        .filter(|(_, word)| MACROS.contains(word))
        .filter(|(line, word)| is_macro_call(file, *line, word))
        .map(|(line, word)| violation(file, line, word));
    Box::new(
        notes(file, &file.code)
            .chain(notes(file, &file.prose))
            .chain(macros),
    )
}

fn notes<'file>(
    file: &'file SourceFile,
    text: &'file str,
) -> impl Iterator<Item = Violation> + 'file {
    words(text)
        .filter(|(_, word)| NOTES.contains(word))
        .map(|(line, word)| violation(file, line, word))
}

fn is_macro_call(file: &SourceFile, line: usize, word: &str) -> bool {
    let text = file.code.lines().nth(line - 1).unwrap_or_default();
    text.contains(&format!("{word}!"))
}

fn violation(file: &SourceFile, line: usize, word: &str) -> Violation {
    Violation {
        path: file.path.clone(),
        line,
        rule: "leftovers",
        why: format!("`{word}` marks unfinished work"),
        advice: "finish it, or say in plain words what the limit is",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&[SourceFile::new(path, text)])
            .into_iter()
            .map(|one| one.line)
            .collect()
    }

    #[test]
    fn notes_fail_in_comments_manifests_and_documents() {
        let note = format!("fine\n# {}: later\n", NOTES[0]);
        assert_eq!(lines("Cargo.toml", &note), [2]);
        assert_eq!(lines("README.md", &note), [2]);
        assert_eq!(
            lines("a.rs", &format!("// {}\n/* {} */", NOTES[1], NOTES[2])),
            [1, 2]
        );
    }

    #[test]
    fn unfinished_macros_fail() {
        assert_eq!(lines("a.rs", "fn a() {\n    unimplemented!()\n}"), [2]);
        assert_eq!(lines("a.rs", "let unimplemented = 1;"), [0; 0]);
    }

    #[test]
    fn string_literals_pass() {
        assert_eq!(
            lines("a.rs", &format!("const A: &str = \"{}\";", NOTES[0])),
            [0; 0]
        );
    }
}
