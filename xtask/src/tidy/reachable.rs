//! Rule `reachable`: every Rust file of a crate is part of one of its targets, and every other
//! file in it is named somewhere.
//!
//! A Rust file nobody declares is not compiled, so nobody notices when it rots.

use std::collections::BTreeSet;

use crate::error::XtaskError;
use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

/// A crate: its directory, and the root files of its targets, relative to the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Crate {
    /// For example `proof` or `examples/wallet`.
    pub(crate) directory: String,
    /// For example `proof/src/lib.rs`.
    pub(crate) target_roots: Vec<String>,
}

/// Every file no target leads to.
///
/// # Errors
/// [`XtaskError::Unparsable`].
pub(crate) fn check(files: &[SourceFile], crates: &[Crate]) -> Result<Vec<Violation>, XtaskError> {
    let mut violations = Vec::new();
    for one in crates {
        let prefix = format!("{}/", one.directory);
        let own: Vec<_> = files
            .iter()
            .filter(|file| file.path.starts_with(&prefix))
            .collect();
        let reached = reached(&own, &one.target_roots)?;
        violations.extend(own.iter().filter_map(|file| match file.is_rust() {
            true if reached.contains(&file.path) => None,
            true => Some(unreached(file)),
            false if is_named(file, &own, &prefix) => None,
            false => Some(unnamed(file)),
        }));
    }
    Ok(violations)
}

fn unreached(file: &SourceFile) -> Violation {
    Violation {
        path: file.path.clone(),
        line: 1,
        rule: "reachable",
        why: "no target of its crate declares this module, so it is never compiled".into(),
        advice: "declare it with `mod`, or delete it",
    }
}

fn unnamed(file: &SourceFile) -> Violation {
    Violation {
        path: file.path.clone(),
        line: 1,
        rule: "reachable",
        why: "neither it nor its directory is named in a file of its crate".into(),
        advice: "use it in a test, or delete it",
    }
}

/// Follows `mod` declarations from the roots.
fn reached(files: &[&SourceFile], roots: &[String]) -> Result<BTreeSet<String>, XtaskError> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<(String, bool)> = roots.iter().map(|root| (root.clone(), true)).collect();
    while let Some((path, is_root)) = waiting.pop() {
        let Some(file) = files.iter().find(|file| file.path == path) else {
            continue;
        };
        if !reached.insert(path.clone()) {
            continue;
        }
        let directory = module_directory(file, is_root);
        let mut declared = Vec::new();
        declarations(
            &file.parse()?.items,
            &directory,
            file.directory(),
            &mut declared,
        );
        waiting.extend(declared.into_iter().map(|path| (path, false)));
    }
    Ok(reached)
}

/// Where the modules that a file declares are looked for.
fn module_directory(file: &SourceFile, is_root: bool) -> String {
    if is_root || file.path.ends_with("/mod.rs") {
        return file.directory().into();
    }
    file.path.trim_end_matches(".rs").into()
}

/// The files that `items` may declare.
fn declarations(items: &[syn::Item], directory: &str, beside: &str, declared: &mut Vec<String>) {
    for item in items {
        let syn::Item::Mod(module) = item else {
            continue;
        };
        let name = module.ident.to_string();
        if let Some((_, inner)) = &module.content {
            declarations(inner, &format!("{directory}/{name}"), beside, declared);
        } else if let Some(path) = path_attribute(module) {
            declared.push(normalised(&format!("{beside}/{path}")));
        } else {
            declared.push(format!("{directory}/{name}.rs"));
            declared.push(format!("{directory}/{name}/mod.rs"));
        }
    }
}

fn path_attribute(module: &syn::ItemMod) -> Option<String> {
    let attribute = module
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("path"))?;
    let syn::Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let syn::Expr::Lit(literal) = &pair.value else {
        return None;
    };
    let syn::Lit::Str(text) = &literal.lit else {
        return None;
    };
    Some(text.value())
}

/// Takes `.` and `..` out of a path.
pub(crate) fn normalised(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether some file of the crate names this one, or a directory it is in.
fn is_named(file: &SourceFile, own: &[&SourceFile], prefix: &str) -> bool {
    let inside = file.path.trim_start_matches(prefix);
    if matches!(
        inside,
        "Cargo.toml" | "README.md" | "clippy.toml" | ".gitignore"
    ) {
        return true;
    }
    let general = ["src", "tests", "benches"];
    let names = inside.split('/').filter(|name| !general.contains(name));
    let stem = inside
        .rsplit('/')
        .next()
        .and_then(|name| name.rsplit_once('.'))
        .map(|pair| pair.0);
    names.chain(stem).any(|name| {
        own.iter()
            .any(|other| other.path != file.path && other.text.contains(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreached(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| SourceFile::new(path, text))
            .collect();
        let one = Crate {
            directory: "a".into(),
            target_roots: vec!["a/src/lib.rs".into()],
        };
        check(&files, &[one])
            .unwrap()
            .into_iter()
            .map(|found| found.path)
            .collect()
    }

    #[test]
    fn declared_files_are_reached_in_every_form() {
        let found = unreached(&[
            (
                "a/src/lib.rs",
                "mod b; mod c; mod d { mod e; } #[path = \"../f.rs\"] mod f;",
            ),
            ("a/src/b.rs", "mod g;"),
            ("a/src/b/g.rs", ""),
            ("a/src/c/mod.rs", "mod h;"),
            ("a/src/c/h.rs", ""),
            ("a/src/d/e.rs", ""),
            ("a/f.rs", ""),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn a_file_nobody_declares_fails() {
        assert_eq!(
            unreached(&[("a/src/lib.rs", ""), ("a/src/b.rs", "")]),
            ["a/src/b.rs"]
        );
    }

    #[test]
    fn a_data_file_nobody_names_fails() {
        let files = [
            (
                "a/src/lib.rs",
                "const A: [&str; 2] = [\"named.txt\", \"tests/vectors\"];",
            ),
            ("a/src/named.txt", ""),
            ("a/tests/vectors/one.json", ""),
            ("a/tests/lonely.json", ""),
            ("a/Cargo.toml", ""),
        ];
        assert_eq!(unreached(&files), ["a/tests/lonely.json"]);
    }

    #[test]
    fn paths_lose_their_dots() {
        assert_eq!(normalised("a/./b/../c.rs"), "a/c.rs");
        assert_eq!(normalised("../a"), "a");
    }
}
