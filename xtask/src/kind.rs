//! `cargo xtask kind up|load|down`: a cluster on a laptop with Docker.

use std::path::PathBuf;
use std::process::Command;

use clap::Subcommand;

use crate::command::{self, workspace_root};
use crate::error::XtaskError;
use crate::images;

/// The cluster's name, as `kind-config.yaml` has it.
const NAME: &str = "byzantine";

/// What to do with the cluster.
#[derive(Subcommand)]
pub(crate) enum KindChore {
    /// Start it
    Up,
    /// Build the images and give them to it
    Load,
    /// Remove it, and everything in it
    Down,
}

/// Does it.
///
/// # Errors
/// [`XtaskError::NoCluster`] where kind cannot work, or that of `kind`.
pub(crate) fn run(chore: &KindChore) -> Result<(), XtaskError> {
    if let Some(why) = complaint() {
        let why = format!("kind cannot work here: {why}");
        return Err(XtaskError::NoCluster { why });
    }
    match chore {
        KindChore::Up => {
            up()?;
            println!("\nnext: cargo xtask kind load, then as the README's tour goes on");
            Ok(())
        }
        KindChore::Load => {
            images::run(&images::ImagesArguments::default())?;
            archives()?.iter().try_for_each(load)
        }
        KindChore::Down => command::run(&mut kind(&["delete", "cluster"])),
    }
}

/// Why kind cannot work here; `None` when it can.
pub(crate) fn complaint() -> Option<String> {
    images::complaint("docker", &["info"]).or_else(|| images::complaint("kind", &["version"]))
}

/// Starts the cluster; kubectl's current context is then it.
///
/// # Errors
/// That of `kind`.
pub(crate) fn up() -> Result<(), XtaskError> {
    let config = workspace_root().join("kind-config.yaml");
    let mut command = kind(&["create", "cluster", "--wait", "120s"]);
    command::run(command.arg("--config").arg(config))
}

/// Gives it the images of an archive.
///
/// # Errors
/// That of `kind`.
pub(crate) fn load(archive: &PathBuf) -> Result<(), XtaskError> {
    command::run(kind(&["load", "image-archive"]).arg(archive))
}

/// The archives that `cargo xtask images` writes.
///
/// # Errors
/// [`XtaskError::File`] when there are none.
pub(crate) fn archives() -> Result<Vec<PathBuf>, XtaskError> {
    let directory = workspace_root().join("target/images");
    let entries = std::fs::read_dir(&directory);
    let entries = entries.map_err(|error| XtaskError::file(&directory, error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut archives: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "tar"))
        .collect();
    archives.sort_unstable();
    Ok(archives)
}

fn kind(arguments: &[&str]) -> Command {
    let mut command = Command::new("kind");
    command.args(arguments).args(["--name", NAME]);
    command
}
