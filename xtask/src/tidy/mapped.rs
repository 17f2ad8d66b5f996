//! Rule `mapped`: the map in ARCHITECTURE.md names the directory of every crate.

use crate::tidy::reachable::Crate;
use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

const MAP: &str = "ARCHITECTURE.md";

/// Every crate that the map does not know.
pub(crate) fn check(files: &[SourceFile], crates: &[Crate]) -> Vec<Violation> {
    let map = files.iter().find(|file| file.path == MAP);
    let map = map.map_or("", |file| &file.text);
    let missing = crates
        .iter()
        .filter(|one| !map.contains(&format!("| `{}/` |", one.directory)));
    missing
        .map(|one| Violation {
            path: MAP.into(),
            line: 0,
            rule: "mapped",
            why: format!("the map does not name `{}/`", one.directory),
            advice: "add a row that says what the crate is",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_a_row_is_named() {
        let file = SourceFile::new(MAP, "| `proof/` | `byzantine-proof` | proofs |\n");
        let one = |directory: &str| Crate {
            directory: directory.into(),
            target_roots: Vec::new(),
        };
        let found = check(&[file], &[one("proof"), one("journal")]);
        assert_eq!(found.len(), 1);
        assert!(found[0].why.contains("`journal/`"), "{found:?}");
    }
}
