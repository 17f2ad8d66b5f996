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

/// The text of a file.
///
/// # Panics
/// When it cannot be read.
pub fn text(relative: &str) -> String {
    let read = std::fs::read_to_string(path(relative));
    read.unwrap_or_else(|error| panic!("{relative}: {error}"))
}
