//! `byz run`: every replica of a service as processes of this machine.
//!
//! A replica is two processes: its sidecar, which is this program again, and its app under a
//! guard. All of them end with this process, however it ends: sidecars and guards stop when
//! their standard input, a pipe from here, ends. See [`guard`] for what an app can do about that.

mod app;
mod backoff;
mod child;
mod command;
mod configuration;
mod console;
mod directory;
mod guard;
mod instance;
mod log_file;
mod plan;
mod ports;
mod readiness;
mod sidecar;
mod supervisor;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use byzantine_adversary::Fault;
use clap::{Args, ValueEnum};
use tokio::sync::watch;

use crate::error::CliError;
use crate::output;
use console::Console;
use directory::Claim;
use plan::Plan;
use supervisor::Phase;

pub(crate) use command::Template;
pub(crate) use directory::ReplicaDirectory;
pub(crate) use guard::{GuardArguments, execute as guard};
pub(crate) use instance::Instance;
pub(crate) use plan::{gateway_port, own_program_directory};
pub(crate) use sidecar::{SidecarArguments, execute as sidecar};
pub(crate) use words::split as split_words;

/// Arguments of `byz run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Replica i listens on PORT + 10*i for clients, +1 for its peers, +2 for administration, all on
127.0.0.1. Its app gets the environment variables PORT and BYZANTINE_REPLICA and a directory of its
own; {port}, {replica} and {data} in the command are replaced. A program beside byz is found first,
then PATH is searched. The same data directory resumes where it stopped.

Examples:
  byz run -- python3 -m http.server {port} --bind 127.0.0.1 --directory /usr/share/doc
  byz run -f byzantineservice.yaml
  byz run -f byzantineservice.yaml --fault 2=wrong-answer    watch it survive a liar
  byz run --state none --health-path /healthz -- ./my-service --port {port}

Faults: crash, mute, slow, equivocate, wrong-answer, lying-gateway, corrupt-votes,
false-snapshot.")]
pub(crate) struct RunArguments {
    /// The manifest
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The service's name; with several services in a manifest, which one
    #[arg(long)]
    name: Option<String>,
    /// How many replicas; 3f+1 if not given
    #[arg(long, value_name = "N")]
    replicas: Option<u32>,
    /// f: how many of them may fail in any way
    #[arg(long, value_name = "F")]
    faults: Option<u32>,
    /// The first gateway's port
    #[arg(long, default_value_t = 15080)]
    port: u16,
    /// Where everything is kept; .byzantine/NAME if not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Give up what the data directory holds and start anew
    #[arg(long)]
    fresh: bool,
    /// Make replica I misbehave; may be repeated
    #[arg(long = "fault", value_name = "I=KIND")]
    misbehaviour: Vec<Misbehaviour>,
    /// What the app remembers between requests, when there is no manifest
    #[arg(long, value_enum)]
    state: Option<StateOption>,
    /// Where a durable app tells the last ordinal it stored
    #[arg(long, value_name = "PATH")]
    applied_path: Option<String>,
    /// A path without side effects that answers 2xx while the app is well; it is asked often and
    /// outside the order; without a manifest / if not given
    #[arg(long, visible_alias = "path-health", value_name = "PATH")]
    health_path: Option<String>,
    /// What the sidecars log: error, warn, info, debug or trace
    #[arg(long, default_value = "warn", value_name = "LEVEL")]
    log_level: String,
    /// Keep the logs in their files only
    #[arg(short, long)]
    quiet: bool,
    /// The app's command
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// `--state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateOption {
    /// Nothing
    None,
    /// In memory: a restarted app is fed all requests again
    Memory,
    /// On disk, together with the number of the last request
    Durable,
}

/// `--fault I=KIND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Misbehaviour {
    replica: usize,
    fault: Fault,
}

impl std::str::FromStr for Misbehaviour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (replica, fault) = text
            .split_once('=')
            .ok_or("write I=KIND, such as 2=equivocate")?;
        let replica = replica.parse().map_err(|_| {
            format!("`{replica}` is not a replica's number; write I=KIND, such as 2=equivocate")
        })?;
        let fault = fault
            .parse()
            .map_err(|error: byzantine_adversary::UnknownFault| error.to_string())?;
        Ok(Self { replica, fault })
    }
}

pub(crate) async fn execute(arguments: RunArguments) -> Result<ExitCode, CliError> {
    let plan = Plan::new(&arguments)?;
    plan.warnings().iter().for_each(output::warn);
    let claim = Claim::new(&plan)?;
    let ports = ports::reserve(&plan)?;
    let directory = claim.establish(&plan)?;
    configuration::write(&plan, &directory, &ports)?;
    let console = Console::start(arguments.quiet);
    let (phase, _) = watch::channel(Phase::Running);
    let phase = Arc::new(phase);
    tokio::spawn(supervisor::stop_on_signals(
        Arc::clone(&phase),
        console.clone(),
    ));
    let watcher = readiness::Watcher::new(&plan, &directory, console.clone());
    let watching = tokio::spawn(watcher.run(phase.subscribe()));
    let ended = supervisor::run(&plan, &directory, &ports, &console, &phase).await;
    // The watcher ends with the phase; a panic of its own changes nothing here.
    let _ = watching.await;
    console.end().await;
    ended.map(|()| ExitCode::SUCCESS)
}
