//! `xtask/unnoticed.txt`: changes that no test can or need notice, below the reason why.
//!
//! A line that begins with `#` is the reason for those after it. The others are a file, a colon and
//! what is changed in which function, without the line's number, which other changes move.

use std::path::Path;

use super::change::Change;
use crate::error::XtaskError;

/// Where the list is.
pub(super) const LIST: &str = "xtask/unnoticed.txt";

/// The list.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    entries: Vec<(String, String)>,
}

impl Reasons {
    /// # Errors
    /// [`XtaskError::File`].
    pub(super) fn read(path: &Path) -> Result<Self, XtaskError> {
        let text = std::fs::read_to_string(path).map_err(|error| XtaskError::file(path, error))?;
        Ok(Self::parse(&text))
    }

    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entries = lines.filter_map(|line| line.split_once(": "));
        let entries = entries.map(|(file, what)| (file.to_owned(), what.to_owned()));
        Self {
            entries: entries.collect(),
        }
    }

    /// Whether there is a reason why this goes unnoticed.
    pub(super) fn has(&self, change: &Change) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|(file, what)| *file == change.file && *what == change.what)
    }
}
