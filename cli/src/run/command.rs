//! The app's command: found once, filled in for every replica.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use byzantine_resource::closest;

use crate::error::CliError;

/// What stands for `{port}`, `{replica}` and `{data}`.
#[derive(Debug, Clone)]
pub(crate) struct Values<'a> {
    pub(crate) port: u16,
    pub(crate) replica: usize,
    pub(crate) data: &'a Path,
}

/// A command with placeholders and an existing program.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    program: PathBuf,
    words: Vec<String>,
}

impl Template {
    /// Checks the placeholders and finds the program: a path as it is, a name beside `beside`
    /// first, then on PATH.
    ///
    /// # Errors
    /// [`CliError::NothingToRun`], [`CliError::Placeholder`], [`CliError::NoProgram`] or
    /// [`CliError::NotExecutable`].
    pub(crate) fn new(words: &[String], beside: &Path) -> Result<Self, CliError> {
        let (program, _) = words.split_first().ok_or(CliError::NothingToRun)?;
        let nothing = Values {
            port: 0,
            replica: 0,
            data: Path::new(""),
        };
        for word in words {
            fill(word, &nothing)?;
        }
        Ok(Self {
            program: find(program, beside)?,
            words: words.to_vec(),
        })
    }

    /// The program's path.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The words as they were given.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// The arguments for one replica.
    pub(crate) fn arguments(&self, values: &Values<'_>) -> Result<Vec<String>, CliError> {
        self.words[1..]
            .iter()
            .map(|word| fill(word, values))
            .collect()
    }
}

/// Replaces placeholders; `{{` and `}}` are braces, as is a brace that begins no name.
fn fill(word: &str, values: &Values<'_>) -> Result<String, CliError> {
    let (mut filled, mut rest) = (String::new(), word);
    while let Some(place) = rest.find(['{', '}']) {
        filled.push_str(&rest[..place]);
        let brace = &rest[place..=place];
        rest = &rest[place + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            filled.push_str(brace);
            rest = after;
            continue;
        }
        match rest
            .split_once('}')
            .filter(|(name, _)| brace == "{" && is_name(name))
        {
            None => filled.push_str(brace),
            Some((name, after)) => {
                filled.push_str(&value(name, values)?);
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// JSON and shell braces in a command are no placeholders.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn value(name: &str, values: &Values<'_>) -> Result<String, CliError> {
    match name {
        "port" => Ok(values.port.to_string()),
        "replica" => Ok(values.replica.to_string()),
        "data" => Ok(values.data.display().to_string()),
        name => Err(CliError::Placeholder {
            name: name.to_owned(),
        }),
    }
}

fn find(program: &str, beside: &Path) -> Result<PathBuf, CliError> {
    if program.contains('/') {
        let path = std::path::absolute(program).unwrap_or_else(|_| PathBuf::from(program));
        return executable(&path).map(|()| path);
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let places = std::iter::once(beside.to_owned()).chain(std::env::split_paths(&search));
    let found = places
        .map(|place| place.join(program))
        .find(|path| executable(path).is_ok());
    found.ok_or_else(|| absent(program, beside))
}

fn executable(path: &Path) -> Result<(), CliError> {
    let refused = |why: String, next: &str| CliError::NotExecutable {
        path: path.to_owned(),
        why,
        next: next.to_owned(),
    };
    let metadata = std::fs::metadata(path)
        .map_err(|error| refused(error.to_string(), "check the path; build the program first"))?;
    if metadata.is_dir() {
        Err(refused(
            "it is a directory".to_owned(),
            "name the program in it",
        ))
    } else if metadata.permissions().mode() & 0o111 == 0 {
        Err(refused(
            "its permissions do not allow it".to_owned(),
            "chmod +x it",
        ))
    } else {
        Ok(())
    }
}

/// A program that is nowhere, with the one beside us that it may have meant.
fn absent(program: &str, beside: &Path) -> CliError {
    let names = std::fs::read_dir(beside).into_iter().flatten().flatten();
    let names: Vec<String> = names
        .take(4096)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let here = Path::new(program).exists();
    let next = match closest(program, names.iter().map(String::as_str)) {
        _ if here => format!("write ./{program} for the file in this directory"),
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "build or install it, or give its path".to_owned(),
    };
    CliError::NoProgram {
        program: program.to_owned(),
        beside: beside.to_owned(),
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let values = Values {
            port: 8,
            replica: 2,
            data: Path::new("/d"),
        };
        let cases = [
            ("--port={port}", "--port=8"),
            ("{data}/db-{replica}", "/d/db-2"),
            ("{{port}}", "{port}"),
            ("{\"a\": {}}", "{\"a\": {}"),
            ("{ port }", "{ port }"),
        ];
        for (word, filled) in cases {
            assert_eq!(fill(word, &values).unwrap(), filled, "{word}");
        }
        assert!(matches!(
            fill("{host}", &values),
            Err(CliError::Placeholder { .. })
        ));
    }

    #[test]
    fn programs_are_found_beside_us_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sh");
        std::fs::write(&path, "").unwrap();
        let words = ["sh".to_owned()];
        let found = Template::new(&words, directory.path()).unwrap();
        assert_ne!(found.program(), path, "it is not executable");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(
            Template::new(&words, directory.path()).unwrap().program(),
            path
        );
        let absent = Template::new(&["no-such-program".to_owned()], directory.path());
        assert!(matches!(absent, Err(CliError::NoProgram { .. })));
    }
}
