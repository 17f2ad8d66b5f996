//! A log file that does not grow for ever.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// At this size the file becomes `NAME.old` and a new one begins.
const MAX_BYTES: u64 = 32 << 20;

/// An open log file.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    /// Opens a file at its end.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
        })
    }

    /// Appends a line.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        if self.bytes >= MAX_BYTES {
            std::fs::rename(&self.path, self.path.with_extension("log.old"))?;
            *self = Self::open(&self.path)?;
        }
        let text = format!("{line}\n");
        self.bytes += text.len() as u64;
        self.file.write_all(text.as_bytes())
    }
}
