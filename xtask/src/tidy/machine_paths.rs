//! Rule `machine-paths`: nothing in the repository names the machine it was made on, or a
//! registry other than the one that cargo uses by itself.

use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

/// Texts that belong to a machine. In two halves, so that this file passes its own rule.
const FOREIGN: [(&str, &str); 8] = [
    ("/wo", "rk/"),
    ("/tmp/tar", "get"),
    ("/ro", "ot/"),
    ("artifact", "ory"),
    ("index.cra", "tes.io"),
    ("registry.np", "mjs.org"),
    ("files.python", "hosted.org"),
    ("deb.deb", "ian.org"),
];

const REGISTRY: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

/// Every mention of a machine or a foreign registry.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let lines = files.iter().flat_map(|file| {
        file.text
            .lines()
            .enumerate()
            .map(move |(index, line)| (file, index + 1, line))
    });
    lines
        .filter_map(|(file, line, text)| violation(file, line, text))
        .collect()
}

fn violation(file: &SourceFile, line: usize, text: &str) -> Option<Violation> {
    let foreign = FOREIGN.map(|(head, tail)| format!("{head}{tail}"));
    let (why, advice) = if let Some(found) = foreign.iter().find(|one| mentions(text, one)) {
        (
            format!("`{found}` is of one machine"),
            "use a relative path, or none",
        )
    } else if file.path == "Cargo.lock" && text.starts_with("source = ") && text != REGISTRY {
        (
            format!("locked from elsewhere: {text}"),
            "lock with no registry configured",
        )
    } else {
        return None;
    };
    Some(Violation {
        path: file.path.clone(),
        line,
        rule: "machine-paths",
        why,
        advice,
    })
}

/// Whether `text` has `path` where a path begins: not in the middle of a relative one.
fn mentions(text: &str, path: &str) -> bool {
    let begins = |at: usize| {
        let before = text[..at].chars().next_back();
        !path.starts_with('/') || !before.is_some_and(|one| one.is_alphanumeric() || one == '.')
    };
    text.match_indices(path).any(|(at, _)| begins(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(path: &str, text: &str) -> bool {
        !check(&[SourceFile::new(path, text)]).is_empty()
    }

    #[test]
    fn each_foreign_text_fails() {
        for (head, tail) in FOREIGN {
            assert!(
                fails("README.md", &format!("see {head}{tail}x")),
                "{head}{tail}"
            );
        }
    }

    #[test]
    fn a_relative_path_passes() {
        assert!(!fails(
            "README.md",
            concat!("the net", "wo", "rk/ and a.root/")
        ));
    }

    #[test]
    fn a_lock_file_from_elsewhere_fails() {
        assert!(!fails("Cargo.lock", REGISTRY));
        assert!(fails(
            "Cargo.lock",
            "source = \"sparse+https://mirror.example/\""
        ));
    }
}
