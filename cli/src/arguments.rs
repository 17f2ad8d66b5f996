//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::audit::AuditArguments;
use crate::bench::BenchArguments;
use crate::call::CallArguments;
use crate::doctor::DoctorArguments;
use crate::keygen::KeygenArguments;
use crate::policy::PolicyArguments;
use crate::run::{GuardArguments, RunArguments, SidecarArguments};
use crate::status::StatusArguments;
use crate::verify::VerifyArguments;

/// Answers that stay right while replicas crash, lie or are owned by an attacker.
///
/// Byzantine runs 3f+1 replicas of a deterministic HTTP service, agrees on the order of requests,
/// and gives every answer a proof that anyone can check offline.
#[derive(Debug, Parser)]
#[command(name = "byz", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  byz run -- ./my-service --port {port}          four replicas of a program, on this machine
  byz run -f byzantineservice.yaml               the same from a manifest
  byz call http://127.0.0.1:15080/ --policy .byzantine/my-service/policy
  curl -si http://127.0.0.1:15090/ > response && byz verify --policy POLICY response
  byz status --watch                             who is well, who lies, what was noticed
  byz doctor -- ./my-service --port {port}       is the program deterministic?

Exit codes: 0 done or verified, 1 failed or not verified, 2 wrong use, 3 cannot decide.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a service's replicas on this machine
    Run(Box<RunArguments>),
    /// Send a request, verify the answer, print it; go to the next gateway if one fails
    Call(CallArguments),
    /// Verify a saved response offline
    Verify(VerifyArguments),
    /// Print the policy: whose signatures a proof needs
    Policy(PolicyArguments),
    /// Show replicas, faults left, and what was noticed
    Status(StatusArguments),
    /// Find what makes a program's answers differ between replicas
    Doctor(DoctorArguments),
    /// Compare the ledgers of stopped replicas and check their checkpoints
    Audit(AuditArguments),
    /// Measure latency and throughput beside the bare program
    Bench(BenchArguments),
    /// Make the three secret keys of a replica
    Keygen(KeygenArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
    /// One replica's sidecar; started by `run`
    #[command(hide = true)]
    Sidecar(SidecarArguments),
    /// Ends a program when `run` ends; started by `run`
    #[command(hide = true)]
    Guard(GuardArguments),
}

/// Arguments of `byz completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  byz completions bash > ~/.local/share/bash-completion/completions/byz"
)]
pub(crate) struct CompletionsArguments {
    /// The shell
    pub(crate) shell: Shell,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}
