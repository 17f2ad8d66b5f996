//! The files that rules look at: everything tracked by git, or new and not ignored.
//!
//! For Rust files two more views exist: [`SourceFile::code`] without comments and without the
//! insides of string literals, and [`SourceFile::prose`], the comments alone.

use std::path::Path;
use std::process::Command;

use crate::command;
use crate::error::XtaskError;
use crate::tidy::mask;

/// One text file of the repository.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Relative to the root of the workspace, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
    /// As `text`, with comments and the insides of literals blanked; Rust files only.
    pub(crate) code: String,
    /// As `text`, with everything but comments blanked; Rust files only.
    pub(crate) prose: String,
}

impl SourceFile {
    /// A file with this path and text.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let rust = has_extension(path, "rs");
        let (code, prose) = if rust {
            mask::split(text)
        } else {
            Default::default()
        };
        Self {
            path: path.into(),
            text: text.into(),
            code,
            prose,
        }
    }

    /// Whether this is a Rust file.
    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "rs")
    }

    /// Whether this is a Markdown file.
    pub(crate) fn is_markdown(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "md")
    }

    /// The directory the file is in, relative to the root; empty for the root itself.
    pub(crate) fn directory(&self) -> &str {
        self.path
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory)
    }

    /// The syntax tree.
    ///
    /// # Errors
    /// [`XtaskError::Unparsable`] if the file is no Rust.
    pub(crate) fn parse(&self) -> Result<syn::File, XtaskError> {
        syn::parse_file(&self.text).map_err(|error| XtaskError::Unparsable {
            path: self.path.clone(),
            line: error.span().start().line,
            message: error.to_string(),
        })
    }
}

fn has_extension(path: &str, wanted: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == wanted)
}

/// Every text file of the repository, sorted by path.
///
/// # Errors
/// [`XtaskError::CannotStart`] without git, [`XtaskError::File`] for what cannot be read.
pub(crate) fn collect(root: &Path) -> Result<Vec<SourceFile>, XtaskError> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root);
    let listing = command::output(&mut git)?;
    if !listing.status.success() {
        let status = listing.status;
        return Err(XtaskError::CommandFailed {
            command: command::line(&git),
            status,
        });
    }
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let mut paths: Vec<&str> = listing.lines().collect();
    paths.sort_unstable();
    paths.dedup();
    paths
        .into_iter()
        .filter_map(|path| read(root, path).transpose())
        .collect()
}

/// Reads one file; nothing for files that are gone from the disk or are not text.
fn read(root: &Path, path: &str) -> Result<Option<SourceFile>, XtaskError> {
    let full = root.join(path);
    if !full.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(&full).map_err(|source| XtaskError::file(full, source))?;
    Ok(String::from_utf8(bytes)
        .ok()
        .map(|text| SourceFile::new(path, &text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_this_repository_are_found() {
        let files = collect(&command::workspace_root()).unwrap();
        assert!(
            files
                .iter()
                .any(|file| file.path == "xtask/src/tidy/source.rs")
        );
        assert!(files.is_sorted_by(|left, right| left.path < right.path));
    }

    #[test]
    fn the_directory_of_a_file() {
        assert_eq!(
            SourceFile::new("docs/adr/0001.md", "").directory(),
            "docs/adr"
        );
        assert_eq!(SourceFile::new("README.md", "").directory(), "");
    }

    #[test]
    fn what_does_not_parse_is_named_with_its_line() {
        let parsed = SourceFile::new("a.rs", "fn one() {}\nfn two( {}\n").parse();
        let error = parsed
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.starts_with("a.rs:2: "), "{error}");
    }
}
