//! Files that commands read, with limits and with errors that name them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use byzantine_proof::Policy;

use crate::error::CliError;

/// More than any response that a gateway lets pass, its head included.
const MAX_INPUT_BYTES: u64 = 64 << 20;

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// [`CliError::Read`] or [`CliError::InputTooLong`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let limit = MAX_INPUT_BYTES + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|source| CliError::Read {
        path: path.to_owned(),
        source,
    })?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        return Err(CliError::InputTooLong {
            path: path.to_owned(),
            limit: MAX_INPUT_BYTES,
        });
    }
    Ok(bytes)
}

/// Reads text.
///
/// # Errors
/// As [`read`], or [`CliError::NotText`].
pub(crate) fn read_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read(path)?).map_err(|_| CliError::NotText {
        path: path.to_owned(),
    })
}

/// Reads the trusted policy that the user names.
///
/// # Errors
/// As [`read_text`], or [`CliError::PolicyNotNamed`], or [`CliError::Policy`].
pub(crate) fn read_policy(path: Option<&Path>) -> Result<Policy, CliError> {
    let path = path.ok_or(CliError::PolicyNotNamed)?;
    let text = read_text(path)?;
    Policy::parse(&text).map_err(|source| CliError::Policy {
        place: path.display().to_string(),
        source,
    })
}

/// Writes a file whole or not at all: beside it first, then renamed.
///
/// # Errors
/// [`CliError::Write`].
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let written = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|source| CliError::Write {
        path: path.to_owned(),
        source,
    })
}
