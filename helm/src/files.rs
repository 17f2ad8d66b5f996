//! Files of the repository.

use std::path::{Path, PathBuf};

/// A path below the root of the repository.
///
/// # Panics
/// Never: a package lies in its workspace.
pub fn path(relative: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().expect("a package lies in its workspace");
    root.join(relative)
}

/// Every document of the repository, by its path: those at the root, and all below `docs/`.
///
/// # Panics
/// When a directory cannot be read.
pub fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for directory in ["", "docs/", "docs/adr/", "helm/byzantine-operator/"] {
        let entries = std::fs::read_dir(path(directory));
        let entries = entries.unwrap_or_else(|error| panic!("{directory}: {error}"));
        let names = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        let documents = names.filter(|name| {
            let extension = Path::new(name).extension();
            extension.is_some_and(|extension| extension == "md")
        });
        found.extend(documents.map(|name| format!("{directory}{name}")));
    }
    found
}

/// The text of a file.
///
/// # Panics
/// When it cannot be read.
pub fn text(relative: &str) -> String {
    let read = std::fs::read_to_string(path(relative));
    read.unwrap_or_else(|error| panic!("{relative}: {error}"))
}
