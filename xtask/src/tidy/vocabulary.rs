//! Rule `vocabulary`: metric names and error names in documents exist in the code, and every
//! error name of the verifier is documented.

use std::collections::BTreeSet;

use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;
use crate::tidy::words::words;

/// Where every error name must be documented.
const ERROR_DOCUMENT: &str = "docs/proof-format.md";

/// Names in documents without code, and error names in code without a document.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let (documents, rest): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.is_markdown());
    let code: Vec<_> = rest
        .into_iter()
        .filter(|file| !file.path.starts_with("xtask/"))
        .collect();
    let known = Known::from(&code);
    let unknown = documents.iter().flat_map(|file| {
        let names = words(&file.text).filter(|(_, name)| !known.has(name));
        names
            .map(|(line, name)| unknown_name(file, line, name))
            .collect::<Vec<_>>()
    });
    unknown.chain(undocumented(&known, &documents)).collect()
}

/// What the code knows.
struct Known<'files> {
    words: BTreeSet<&'files str>,
    errors: BTreeSet<&'files str>,
}

impl<'files> Known<'files> {
    fn from(code: &[&'files SourceFile]) -> Self {
        let words: BTreeSet<_> = code
            .iter()
            .flat_map(|file| words(&file.text).map(|pair| pair.1))
            .collect();
        let of_proof = code
            .iter()
            .filter(|file| file.path.starts_with("proof/src/"));
        let errors = of_proof
            .flat_map(|file| words_of_errors(&file.text))
            .collect();
        Self { words, errors }
    }

    /// Whether a word of a document is no name at all, or one that the code has too. A metric
    /// may be written without the prefix there.
    fn has(&self, word: &str) -> bool {
        let is_error = word.starts_with("E_") && word.len() > 2;
        let Some(metric) = word.strip_prefix("byzantine_") else {
            return !is_error || self.words.contains(word);
        };
        let series = ["_bucket", "_sum", "_count"];
        let base = series
            .iter()
            .find_map(|end| metric.strip_suffix(end))
            .unwrap_or(metric);
        metric.is_empty() || self.words.contains(word) || self.words.contains(base)
    }
}

fn words_of_errors(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |word: &&str| {
        word.strip_prefix("E_").is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .chars()
                    .all(|one| one.is_ascii_uppercase() || one == '_')
        })
    };
    words(text).map(|pair| pair.1).filter(is_name)
}

fn unknown_name(file: &SourceFile, line: usize, name: &str) -> Violation {
    Violation {
        path: file.path.clone(),
        line,
        rule: "vocabulary",
        why: format!("`{name}` is not in the code"),
        advice: "use the name that the code has, or mark as not yet there without its name",
    }
}

fn undocumented(known: &Known<'_>, documents: &[&SourceFile]) -> Vec<Violation> {
    let document = documents.iter().find(|file| file.path == ERROR_DOCUMENT);
    let text = document.map_or("", |file| file.text.as_str());
    let documented: BTreeSet<_> = words(text).map(|pair| pair.1).collect();
    let missing = known.errors.difference(&documented);
    missing
        .map(|name| Violation {
            path: ERROR_DOCUMENT.into(),
            line: 0,
            rule: "vocabulary",
            why: format!("the verifier's error `{name}` is not documented"),
            advice: "say when it is returned and what it means",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str, code: &str) -> Vec<String> {
        let files = [
            SourceFile::new(ERROR_DOCUMENT, document),
            SourceFile::new("proof/src/error.rs", code),
        ];
        check(&files).into_iter().map(|one| one.why).collect()
    }

    #[test]
    fn names_on_both_sides_pass() {
        let code = "const A: &str = \"E_LEAF\"; const B: &str = \"view_changes_total\";";
        let document = "`E_LEAF`, `byzantine_view_changes_total`, an E_ and E_* and words_count";
        assert_eq!(found(document, code), [""; 0]);
    }

    #[test]
    fn the_series_of_a_histogram_pass() {
        assert_eq!(
            found("`byzantine_batch_size_bucket`", "\"batch_size\""),
            [""; 0]
        );
    }

    #[test]
    fn a_name_without_code_fails() {
        assert_eq!(found("`E_LEEF`", ""), ["`E_LEEF` is not in the code"]);
        assert_eq!(
            found("`byzantine_vews`", ""),
            ["`byzantine_vews` is not in the code"]
        );
    }

    #[test]
    fn an_error_without_a_document_fails() {
        assert_eq!(
            found("", "\"E_LEAF\""),
            ["the verifier's error `E_LEAF` is not documented"]
        );
    }
}
