//! Where the programs under test are: beside the tests, built by the same command.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of a program of this workspace.
///
/// # Panics
/// When it is not built.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    // Tests lie one directory below the programs.
    let places = own.ancestors().skip(1).take(2);
    let mut paths = places.map(|directory| directory.join(name));
    let built = paths.find(|path| path.is_file());
    built.unwrap_or_else(|| {
        panic!("the program {name} is not built: run `cargo build --workspace --bins` first")
    })
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("a package lies in its workspace")
}

/// What a run of `byz` printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

/// Runs `byz` to its end.
///
/// # Panics
/// When it cannot be started.
pub fn byz<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Ran {
    let mut command = Command::new(program("byz"));
    command.args(arguments).env("NO_COLOR", "1");
    let output = command.output().expect("byz starts");
    Ran {
        code: output.status.code(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
