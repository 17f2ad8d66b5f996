//! `byzantine-sidecar-test`: the sidecar with its liars and switches, for tests on a cluster.
//!
//! `BYZANTINE_FAULT`, or a file `fault` beside the data directory, names the liar; without either
//! the replica is correct. Other files there cut it off from its peers or kill it while it runs;
//! `isolate`, `rejoin` and `crash` make those from inside the container, which has no shell.

mod switches;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use byzantine_adversary::{Fault, Seed, UnknownFault, interposer};
use byzantine_sidecar::program::{self, Arguments};
use byzantine_sidecar::{Config, Honest, Interposer, SidecarError};
use clap::{Parser, Subcommand};

use switches::{Switched, Switches};

const NAME: &str = "byzantine-sidecar-test";

/// Which liar the replica is.
const FAULT: &str = "BYZANTINE_FAULT";

/// A replica for tests: it can lie, be cut off from its peers, and die on command.
#[derive(Debug, Parser)]
#[command(name = NAME, version, args_conflicts_with_subcommands = true)]
struct TestArguments {
    #[command(subcommand)]
    switch: Option<Switch>,
    #[command(flatten)]
    sidecar: Option<Arguments>,
}

#[derive(Debug, Subcommand)]
enum Switch {
    /// Cut the replica that runs on this volume off from its peers
    Isolate(Volume),
    /// Let it hear and speak again
    Rejoin(Volume),
    /// Let it die without a farewell
    Crash(Volume),
}

#[derive(Debug, clap::Args)]
struct Volume {
    /// The directory that holds the replica's data directory
    #[arg(long, default_value = "/var/lib/byzantine", value_name = "DIR")]
    volume: PathBuf,
}

/// Why there is no such replica.
#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error(transparent)]
    Sidecar(#[from] SidecarError),
    #[error("{FAULT}: {0}")]
    Fault(#[from] UnknownFault),
}

fn main() -> ExitCode {
    let arguments = TestArguments::parse();
    match (arguments.switch, arguments.sidecar) {
        (Some(switch), _) => turn(&switch),
        (None, Some(sidecar)) => program::run(NAME, &sidecar, liar),
        (None, None) => {
            eprintln!("{NAME}: nothing to do; give --config FILE, or see --help");
            ExitCode::FAILURE
        }
    }
}

fn turn(switch: &Switch) -> ExitCode {
    let turned = match switch {
        Switch::Isolate(Volume { volume }) => Switches::beside(volume).isolate(),
        Switch::Rejoin(Volume { volume }) => Switches::beside(volume).rejoin(),
        Switch::Crash(Volume { volume }) => Switches::beside(volume).crash(),
    };
    match turned {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: cannot turn the switch: {error}; is the volume mounted here?");
            ExitCode::FAILURE
        }
    }
}

fn liar(config: &Config) -> Result<Box<dyn Interposer>, TestError> {
    let volume = config.data.parent().unwrap_or(&config.data);
    let fault = fault(volume);
    let inner = if fault.is_empty() {
        Box::new(Honest)
    } else {
        interposer(fault.parse::<Fault>()?, Seed(config.replica.into()))
    };
    say(&fault);
    let switches = Switches::beside(volume);
    let watching = Switched::watching(inner, switches);
    let watching = watching.map_err(|source| SidecarError::Thread { source })?;
    Ok(Box::new(watching))
}

/// The liar to be: of the environment, which all replicas share, or of a file on this one's volume.
fn fault(volume: &Path) -> String {
    let named = env::var(FAULT).ok().filter(|name| !name.is_empty());
    let named = named.or_else(|| fs::read_to_string(volume.join("fault")).ok());
    named.unwrap_or_default().trim().to_owned()
}

fn say(fault: &str) {
    let fault = if fault.is_empty() { "none" } else { fault };
    eprintln!("{NAME}: this is a sidecar for tests; fault: {fault}");
}
