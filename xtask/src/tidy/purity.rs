//! Rule `purity`: consensus is a function. It has no clock, chance, thread, socket or file, and
//! no container whose order differs between two runs.
//!
//! Holds for all of `consensus/src`, its unit tests too: a test that needs a file is a scenario
//! and lives in `consensus/tests`.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::error::XtaskError;
use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;
use crate::tidy::words::words;

/// Banned words, with what they would let in.
const WORDS: [(&str, &str); 12] = [
    ("Instant", "a clock"),
    ("SystemTime", "a clock"),
    ("HashMap", "an order that differs between replicas"),
    ("HashSet", "an order that differs between replicas"),
    ("RandomState", "chance"),
    ("rand", "chance"),
    ("getrandom", "chance"),
    ("f32", "arithmetic that differs between processors"),
    ("f64", "arithmetic that differs between processors"),
    ("tokio", "tasks"),
    ("thread_local", "threads"),
    ("async", "tasks"),
];

/// Banned modules of the standard library, with what they would let in.
const MODULES: [(&str, &str); 7] = [
    ("thread", "threads"),
    ("fs", "files"),
    ("net", "sockets"),
    ("io", "files and sockets"),
    ("env", "the machine's environment"),
    ("process", "other processes"),
    ("time::Instant", "a clock"),
];

const ADVICE: &str = "hand it in from outside: as an Event, as Time, or through Effects; \
                      for an ordered map use BTreeMap";

/// Everything impure in `consensus/src`.
///
/// # Errors
/// [`XtaskError::Unparsable`].
pub(crate) fn check(files: &[SourceFile]) -> Result<Vec<Violation>, XtaskError> {
    let mut violations = Vec::new();
    // The switches of built-in bugs exist in no build that can become an image.
    let switches = |file: &SourceFile| file.path == "consensus/src/sabotage.rs";
    let pure = |file: &&SourceFile| {
        file.path.starts_with("consensus/src/") && file.is_rust() && !switches(file)
    };
    for file in files.iter().filter(pure) {
        violations.extend(banned_words(file));
        violations.extend(banned_modules(file)?);
    }
    Ok(violations)
}

fn banned_words(file: &SourceFile) -> impl Iterator<Item = Violation> + '_ {
    words(&file.code).filter_map(|(line, word)| {
        let (_, what) = WORDS.iter().find(|(banned, _)| *banned == word)?;
        Some(violation(file, line, word, what))
    })
}

fn banned_modules(file: &SourceFile) -> Result<Vec<Violation>, XtaskError> {
    let mut paths = Paths { found: Vec::new() };
    paths.visit_file(&file.parse()?);
    let banned = paths.found.iter().filter_map(|(line, path)| {
        let inside = path.strip_prefix("std::")?;
        let (_, what) = MODULES.iter().find(|(module, _)| {
            inside
                .strip_prefix(module)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        })?;
        Some(violation(file, *line, path, what))
    });
    Ok(banned.collect())
}

fn violation(file: &SourceFile, line: usize, found: &str, what: &str) -> Violation {
    let why = format!("`{found}` brings {what} into consensus");
    Violation {
        path: file.path.clone(),
        line,
        rule: "purity",
        why,
        advice: ADVICE,
    }
}

/// `use std::fs::*` brings in all of `std::fs`.
fn glob(prefix: &str, tree: &syn::UseTree) -> Option<(usize, String)> {
    let line = tree.span().start().line;
    prefix
        .strip_suffix("::")
        .map(|path| (line, path.to_owned()))
}

/// Collects every path in a file, those inside `use` trees spelled out.
struct Paths {
    found: Vec<(usize, String)>,
}

impl Paths {
    fn flatten(&mut self, prefix: &str, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                self.flatten(&format!("{prefix}{}::", path.ident), &path.tree);
            }
            syn::UseTree::Name(name) => self.leaf(prefix, &name.ident),
            syn::UseTree::Rename(rename) => self.leaf(prefix, &rename.ident),
            syn::UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|item| self.flatten(prefix, item));
            }
            syn::UseTree::Glob(_) => self.found.extend(glob(prefix, tree)),
        }
    }

    fn leaf(&mut self, prefix: &str, ident: &syn::Ident) {
        let line = ident.span().start().line;
        self.found
            .push((line, format!("{prefix}{ident}").replace("::self", "")));
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.flatten("", &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path
            .segments
            .iter()
            .map(|one| one.ident.to_string())
            .collect();
        if let Some(first) = path.segments.first() {
            self.found
                .push((first.ident.span().start().line, segments.join("::")));
        }
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let violations = check(&[SourceFile::new(path, text)]).unwrap();
        violations.into_iter().map(|one| one.why).collect()
    }

    #[test]
    fn clocks_chance_floats_and_hash_order_fail() {
        let text = "fn a(b: f64) { Instant::now(); rand::random(); } type M = HashMap<u8, u8>;";
        assert_eq!(found("consensus/src/a.rs", text).len(), 4);
    }

    #[test]
    fn modules_fail_however_they_are_imported() {
        for text in [
            "use std::fs;",
            "use std::{fmt, net::TcpStream};",
            "use std::{thread::{self as t}};",
            "use std::fs::*;",
            "fn a() { std::env::var(\"A\"); }",
        ] {
            assert_eq!(found("consensus/src/a.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn pure_code_passes() {
        let text = "use std::{collections::BTreeMap, time::Duration}; // an Instant, a HashMap";
        assert_eq!(found("consensus/src/a.rs", text), [""; 0]);
        assert_eq!(
            found("consensus/src/a.rs", "use core::fmt; struct FsLike;"),
            [""; 0]
        );
    }

    #[test]
    fn other_crates_and_scenario_tests_are_free() {
        assert_eq!(found("sidecar/src/a.rs", "use std::fs;"), [""; 0]);
        assert_eq!(found("consensus/tests/a.rs", "use std::fs;"), [""; 0]);
    }
}
