//! Recorded seeds: a file each, with a line of arguments behind lines of explanation.

use std::path::{Path, PathBuf};

use crate::plan::Options;
use crate::selection::Selection;

/// A run that broke a promise once.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The file's name.
    pub name: String,
    /// The run.
    pub options: Options,
}

/// Why recorded seeds could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file or directory cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not the arguments of a run.
    #[error("{} is no seed file: {reason}", path.display())]
    Arguments {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Reads one file, or all files of a directory in the order of their names. Lines that begin
/// with `#` explain; every other line is the arguments of a run.
///
/// # Errors
/// [`SeedError`].
pub fn read(path: &Path) -> Result<Vec<Recorded>, SeedError> {
    let unreadable = |source| SeedError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        files = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.sort();
    }
    let mut recorded = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(unreadable)?;
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        for line in lines {
            let selection = Selection::parse_line(line).map_err(|reason| SeedError::Arguments {
                path: file.clone(),
                reason,
            })?;
            let name = file
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let options = selection.options();
            recorded.push(Recorded { name, options });
        }
    }
    Ok(recorded)
}
