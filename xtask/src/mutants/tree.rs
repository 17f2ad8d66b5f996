//! A copy of the workspace with every change woven in that compiles there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::Message;
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel};

use super::blame::blame;
use super::change::Change;
use super::weave::{SWITCH, weave};
use super::{PACKAGES, TESTED};
use crate::command::{self, cargo, workspace_root};
use crate::error::XtaskError;

/// What a compiler says of a function that is no constant one.
const NO_CONSTANT: &str = "E0015";

/// So many times is compiled what is left; each time leaves less.
const ROUNDS: u32 = 60;

/// The copy, and which changes are in it.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    /// By file.
    changes: BTreeMap<String, Vec<Change>>,
    /// Functions that constants are made with.
    constant: BTreeSet<String>,
    /// What was written, by file.
    texts: BTreeMap<String, String>,
}

impl Tree {
    /// Copies the workspace and weaves; then leaves out, one after the other, what the compiler
    /// does not take, until it takes the rest.
    ///
    /// # Errors
    /// [`XtaskError`]: a file, or a program that does not start, or code that does not compile
    /// for another reason.
    pub(super) fn grow(changes: Vec<Change>) -> Result<Self, XtaskError> {
        let roots = PACKAGES.map(|package| (root_of(package), Vec::new()));
        let mut by_file: BTreeMap<String, Vec<Change>> = BTreeMap::from(roots);
        for change in changes {
            by_file.entry(change.file.clone()).or_default().push(change);
        }
        let mut tree = Self {
            root: workspace_root().join("target/mutants/tree"),
            changes: by_file,
            constant: BTreeSet::new(),
            texts: BTreeMap::new(),
        };
        tree.copy()?;
        for round in 1..=ROUNDS {
            tree.write()?;
            let errors = tree.check()?;
            let count: usize = tree.changes.values().map(Vec::len).sum();
            println!("round {round}: {count} changes, {} errors", errors.len());
            if errors.is_empty() {
                return Ok(tree);
            }
            tree.leave_out(&errors)?;
        }
        Err(unwoven("it does not come to an end"))
    }

    /// The changes that are in it.
    pub(super) fn into_changes(self) -> Vec<Change> {
        let mut changes: Vec<Change> = self.changes.into_values().flatten().collect();
        changes.sort_by_key(|change| change.number);
        changes
    }

    /// Every file that git knows or would. Only what differs is written, so that what is compiled
    /// stays so; what is not there any more goes.
    fn copy(&self) -> Result<(), XtaskError> {
        let mut git = Command::new("git");
        git.current_dir(workspace_root());
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listed = command::output(&mut git)?.stdout;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let from = workspace_root();
        let files: BTreeSet<&str> = listed
            .split('\0')
            .filter(|file| from.join(file).is_file())
            .collect();
        for package in PACKAGES.iter().chain([&TESTED]) {
            let directory = self.root.join(directory(package));
            remove_others(&directory, &self.root, &files)?;
        }
        files.iter().try_for_each(|file| {
            let path = from.join(file);
            let bytes = std::fs::read(&path).map_err(|error| XtaskError::file(&path, error))?;
            // What is to be woven is written then.
            if self.changes.contains_key(*file) {
                return Ok(());
            }
            write(&self.root.join(file), &bytes)
        })
    }

    /// Writes the files with changes, and the switch into the root of each package.
    fn write(&mut self) -> Result<(), XtaskError> {
        let roots = PACKAGES.map(root_of);
        for (file, changes) in &mut self.changes {
            let path = workspace_root().join(file);
            let source =
                std::fs::read_to_string(&path).map_err(|error| XtaskError::file(&path, error))?;
            let woven = weave(&source, &changes.iter().collect::<Vec<_>>(), &self.constant)
                .map_err(|error| unwoven(&format!("{file}: {error}")))?;
            changes.retain(|change| woven.numbers.contains(&change.number));
            let switch = if roots.contains(file) { SWITCH } else { "" };
            let text = woven.text + switch;
            write(&self.root.join(file), text.as_bytes())?;
            self.texts.insert(file.clone(), text);
        }
        Ok(())
    }

    fn check(&self) -> Result<Vec<Diagnostic>, XtaskError> {
        let mut check = self.cargo("check");
        check.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        let told = command::output(&mut check)?;
        let errors: Vec<Diagnostic> = messages(&told.stdout)
            .filter_map(|message| match message {
                Message::CompilerMessage(told) => Some(told.message),
                _ => None,
            })
            .filter(|told| told.level == DiagnosticLevel::Error && !told.spans.is_empty())
            .collect();
        if errors.is_empty() && !told.status.success() {
            return Err(unwoven(&String::from_utf8_lossy(&told.stderr)));
        }
        Ok(errors)
    }

    /// Cargo on the copy, with warnings left unsaid.
    pub(super) fn cargo(&self, chore: &str) -> Command {
        let mut cargo = cargo(&[chore, "--profile", "mutants", "--message-format=json"]);
        cargo.arg("--target-dir");
        cargo.arg(workspace_root().join("target/mutants/build"));
        cargo
            .current_dir(&self.root)
            .env("RUSTFLAGS", "--cap-lints=allow");
        cargo
    }

    fn leave_out(&mut self, errors: &[Diagnostic]) -> Result<(), XtaskError> {
        let mut left_out = BTreeSet::new();
        let constants = self.constant.len();
        for error in errors {
            let code = error.code.as_ref().map(|code| code.code.as_str());
            let called = called(&error.message).filter(|_| code == Some(NO_CONSTANT));
            match called {
                Some(name) if name != "is" => drop(self.constant.insert(name)),
                _ => left_out.extend(self.blamed(error)),
            }
        }
        if left_out.is_empty() && constants == self.constant.len() {
            let said = errors[0].rendered.clone();
            return Err(unwoven(&said.unwrap_or_else(|| errors[0].message.clone())));
        }
        for changes in self.changes.values_mut() {
            changes.retain(|change| !left_out.contains(&change.number));
        }
        Ok(())
    }

    fn blamed(&self, error: &Diagnostic) -> Option<u32> {
        let span = error.spans.iter().find(|span| span.is_primary)?;
        let text = self.texts.get(&span.file_name)?;
        blame(text, (span.line_start, span.column_start))
    }
}

/// The messages of cargo, as far as they are known.
pub(super) fn messages(output: &[u8]) -> impl Iterator<Item = Message> {
    Message::parse_stream(output).filter_map(Result::ok)
}

/// The last name in "cannot call non-const method `a::B::c` in constants".
fn called(message: &str) -> Option<String> {
    let path = message.split('`').nth(1)?;
    let name = path.rsplit("::").find(|part| !part.starts_with('<'))?;
    Some(name.to_owned())
}

/// Where the switch of a package goes.
fn root_of(package: &str) -> String {
    format!("{}/src/lib.rs", directory(package))
}

/// A package's directory.
fn directory(package: &str) -> &str {
    package.strip_prefix("byzantine-").unwrap_or(package)
}

fn remove_others(at: &Path, root: &Path, files: &BTreeSet<&str>) -> Result<(), XtaskError> {
    let Ok(entries) = std::fs::read_dir(at) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            remove_others(&path, root, files)?;
        } else if !known(&path, root, files) {
            std::fs::remove_file(&path).map_err(|error| XtaskError::file(&path, error))?;
        }
    }
    Ok(())
}

fn known(path: &Path, root: &Path, files: &BTreeSet<&str>) -> bool {
    let relative = path.strip_prefix(root).ok().and_then(Path::to_str);
    relative.is_some_and(|relative| files.contains(relative))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), XtaskError> {
    if std::fs::read(path).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(path);
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|error| XtaskError::file(path, error))
}

fn unwoven(why: &str) -> XtaskError {
    XtaskError::Unwoven(why.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_that_must_be_constant_is_read_from_the_error() {
        let said = "cannot call non-const associated function `types::View::next` in constants";
        assert_eq!(called(said).as_deref(), Some("next"));
        let said = "cannot call non-const method `Pool::<T>::len` in constant functions";
        assert_eq!(called(said).as_deref(), Some("len"));
        assert_eq!(called("mismatched types"), None);
    }
}
