//! Rule `names`: names say what a thing is; consensus uses the words of the PBFT paper.
//!
//! Looks at code and comments, never at the insides of string literals.

use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;
use crate::tidy::words::{parts, words};

/// Words that name nothing, anywhere.
const EMPTY_WORDS: [&str; 6] = ["manager", "managers", "helper", "helpers", "util", "utils"];
/// Words for which the paper has better ones, in `consensus`.
const FOREIGN_WORDS: [&str; 4] = ["leader", "leaders", "master", "masters"];

/// Every banned word.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.flat_map(|file| {
        let found = words(&file.code).chain(words(&file.prose));
        found.filter_map(|(line, word)| violation(file, line, word))
    })
    .collect()
}

fn violation(file: &SourceFile, line: usize, word: &str) -> Option<Violation> {
    let parts = parts(word);
    let has = |banned: &[&str]| parts.iter().any(|part| banned.contains(&part.as_str()));
    // Names that others chose are theirs.
    let kubernetes = word.eq_ignore_ascii_case("field_manager");
    let crates = ["hyper", "http_body", "futures_util"];
    let others = kubernetes || crates.iter().any(|name| word.starts_with(name));
    let (why, advice) = if has(&EMPTY_WORDS) && !others {
        (
            "says nothing about what it is",
            "name it for what it does or holds",
        )
    } else if has(&FOREIGN_WORDS) && file.path.starts_with("consensus/") {
        (
            "is not a word of the PBFT paper",
            "say `primary` or `backup`",
        )
    } else {
        return None;
    };
    let why = format!("`{word}` {why}");
    Some(Violation {
        path: file.path.clone(),
        line,
        rule: "names",
        why,
        advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[SourceFile::new(path, text)])
            .into_iter()
            .map(|one| one.why)
            .collect()
    }

    #[test]
    fn empty_words_fail_in_code_and_comments() {
        let text = "struct PeerManager; // a helper\nmod utils;";
        assert_eq!(found("sidecar/src/lib.rs", text).len(), 3);
    }

    #[test]
    fn words_of_the_paper_only_in_consensus() {
        let text = "let leader_id = 1;";
        assert_eq!(
            found("consensus/src/lib.rs", text),
            ["`leader_id` is not a word of the PBFT paper"]
        );
        assert_eq!(found("sidecar/src/lib.rs", text), [""; 0]);
    }

    #[test]
    fn quotes_and_the_names_of_others_pass() {
        let text = "use hyper_util::rt; const A: &str = \"leader helper\";";
        assert_eq!(found("consensus/src/lib.rs", text), [""; 0]);
    }

    #[test]
    fn longer_words_pass() {
        assert_eq!(
            found("consensus/src/lib.rs", "// mastery, utility"),
            [""; 0]
        );
    }
}
