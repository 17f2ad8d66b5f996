//! What `byz run` prints, kept in a file so that a failing story can show it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines shown of a console when a story fails.
const SHOWN_LINES: usize = 60;

/// Standard output and error of one program, in the order written.
pub struct Console {
    path: PathBuf,
}

impl Console {
    /// A console kept at `path`; what is there stays, and more is added behind it.
    pub fn new(path: &Path) -> Self {
        let path = path.to_owned();
        Self { path }
    }

    /// Sends a command's output here.
    ///
    /// # Panics
    /// When the file cannot be opened.
    pub fn attach(&self, command: &mut Command) {
        let file = File::options().create(true).append(true).open(&self.path);
        let output = file.expect("the console's file can be opened");
        let errors = output
            .try_clone()
            .expect("an open file has a second handle");
        command.stdout(output).stderr(errors);
    }

    /// All that was printed.
    pub fn text(&self) -> String {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines.
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}
