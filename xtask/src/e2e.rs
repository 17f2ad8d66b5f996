//! `cargo xtask e2e`: the stories of `e2e/` on a real cluster.
//!
//! The cluster is the one that kubectl reaches; else one of kind; else that of a cluster script, if
//! CI provides one. Images are built and given to it, as far as it takes them.

mod cluster;

use clap::Args;

use crate::command::{self, cargo};
use crate::error::XtaskError;
use crate::{images, kind};
use cluster::Cluster;

/// Which stories to tell, and on what.
#[derive(Args, Default)]
pub(crate) struct EndToEndArguments {
    /// Only stories whose name contains this
    filter: Option<String>,
    /// The images are there already
    #[arg(long)]
    no_images: bool,
    /// Leave a cluster running that this started
    #[arg(long)]
    keep: bool,
}

/// Why there is no cluster for them; `None` when there is one, or can be.
pub(crate) fn complaint() -> Option<String> {
    Cluster::complaint()
}

/// Tells the stories.
///
/// # Errors
/// [`XtaskError::NoCluster`] where there is none, or what failed.
pub(crate) fn run(arguments: &EndToEndArguments) -> Result<(), XtaskError> {
    let cluster = Cluster::find()?;
    println!("cluster: {cluster}");
    let told = prepare(&cluster, arguments).and_then(|()| tell(&cluster, arguments));
    if arguments.keep {
        return told;
    }
    told.and(cluster.release())
}

fn prepare(cluster: &Cluster, arguments: &EndToEndArguments) -> Result<(), XtaskError> {
    if !arguments.no_images {
        images::run(&images::ImagesArguments::default())?;
        for archive in kind::archives()? {
            cluster.load(&archive)?;
        }
    }
    command::run(&mut cargo(&["build", "--locked", "--package", "byz"]))
}

/// One story after the other: they share two cores and one operator.
fn tell(cluster: &Cluster, arguments: &EndToEndArguments) -> Result<(), XtaskError> {
    let mut command = cargo(&["test", "--locked", "--package", "byzantine-e2e"]);
    command.args(&arguments.filter);
    command.args(["--", "--test-threads=1", "--nocapture"]);
    command::run(cluster.environment(&mut command))
}
