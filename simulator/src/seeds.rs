//! Recorded seeds: a file each, with a line of arguments behind lines of explanation.

use std::path::{Path, PathBuf};

use crate::bias::biased;
use crate::plan::Options;
use crate::sabotage::{Bug, POSSIBLE};
use crate::selection::Selection;
use crate::world::run;

/// A run that broke a promise once.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The file's name.
    pub name: String,
    /// The run.
    pub options: Options,
    /// The built-in bug that this run finds, where there is one.
    pub strikes: Option<String>,
}

impl Recorded {
    /// In a build with switches: whether the bug of this seed is still found. A change of the core
    /// makes another schedule of every seed, so if this run does not find it any more, those that
    /// come next must.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn strikes_its_bug(&self) -> Result<Struck, String> {
        let Some(name) = self.strikes.as_ref().filter(|_| POSSIBLE) else {
            return Ok(Struck::Nothing);
        };
        let bug = Bug::parse(name)?;
        let itself = Options {
            bug: Some(bug),
            ..self.options.clone()
        };
        if run(&itself, false).violation.is_some() {
            return Ok(Struck::Itself);
        }
        let next = (1..=MOST_SEARCHED).find(|number| {
            let seed = self.options.seed.wrapping_add(*number);
            let plain = Options {
                bug: Some(bug),
                ..Options::swarm(seed, self.options.members)
            };
            run(&biased(plain, bug, *number), false).violation.is_some()
        });
        next.map(Struck::After).ok_or_else(|| {
            let seed = &self.name;
            format!("{seed}: neither it nor the {MOST_SEARCHED} after it find {name} any more")
        })
    }
}

/// What found the bug of a recorded seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Struck {
    /// It has none, or this build has no switches.
    Nothing,
    /// The seed.
    Itself,
    /// The so-many-th seed after it.
    After(u64),
}

/// So many runs are searched for a bug whose seed does not find it any more.
const MOST_SEARCHED: u64 = 1000;

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

/// Writes the run that finds a built-in bug where `directory` has the one that found it before,
/// below what explains that, or into a file of the bug's name.
///
/// # Errors
/// The directory or the file cannot be read or written.
pub fn record(directory: &Path, bug: &str, options: &Options) -> std::io::Result<()> {
    let strikes = format!("# strikes: {bug}");
    let mut path = directory.join(format!("{bug}.seed"));
    let mut lines = vec![strikes.clone()];
    for entry in std::fs::read_dir(directory)? {
        let known = entry?.path();
        let text = std::fs::read_to_string(&known)?;
        if text.lines().any(|line| line == strikes) {
            let explained = text.lines().filter(|line| line.starts_with('#'));
            (path, lines) = (known, explained.map(str::to_owned).collect());
        }
    }
    lines.push(options.arguments());
    std::fs::write(path, lines.join("\n") + "\n")
}

/// Reads one file, or all files of a directory in the order of their names. Lines that begin
/// with `#` explain; every other line is the arguments of a run. `# strikes: NAME` says which
/// built-in bug the runs below it find.
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
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let mut strikes = None;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(explained) = line.strip_prefix('#') {
                let bug = explained.trim().strip_prefix("strikes: ");
                strikes = bug.map(str::to_owned).or(strikes);
                continue;
            }
            let selection = Selection::parse_line(line).map_err(|reason| SeedError::Arguments {
                path: file.clone(),
                reason,
            })?;
            recorded.push(Recorded {
                name: name.clone().into_owned(),
                options: selection.options(),
                strikes: strikes.clone(),
            });
        }
    }
    Ok(recorded)
}
