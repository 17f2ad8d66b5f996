//! Why a command could not do what was asked; every message says what to do next.

use std::io;
use std::path::PathBuf;

use byzantine_proof::ProofError;
use byzantine_resource::ResourceError;
use byzantine_sidecar::SidecarError;
use byzantine_sidecar::keystore::KeystoreError;
use byzantine_sidecar::ledger::LedgerError;

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Threads or sockets are exhausted.
    #[error(
        "cannot start: {source}\n  next: raise the limits of processes and open files (ulimit)"
    )]
    Runtime { source: io::Error },
    /// A file cannot be read.
    #[error(
        "cannot read {}: {source}\n  next: check the name and your permission",
        .path.display()
    )]
    Read { path: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("cannot write {}: {source}\n  next: check permission and free space", .path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file is too long.
    #[error(
        "{} has more than {limit} bytes\n  next: check that it is the right file",
        .path.display()
    )]
    InputTooLong { path: PathBuf, limit: u64 },
    /// A file is no text.
    #[error("{} is not text\n  next: check that it is the right file", .path.display())]
    NotText { path: PathBuf },
    /// A manifest cannot be used.
    #[error("{}: {source}", .path.display())]
    Manifest {
        path: PathBuf,
        source: Box<ResourceError>,
    },
    /// Nothing says whose signatures count.
    #[error(
        "no policy: a proof is worth what the keys are worth that it is checked with\n  next: \
         add --policy FILE, or set BYZANTINE_POLICY; `byz policy > policy` writes one where \
         `byz run` runs"
    )]
    PolicyNotNamed,
    /// A policy cannot be used.
    #[error(
        "{place} is not a policy: {source}\n  next: write it with `byz policy` where the service \
         is operated"
    )]
    Policy { place: String, source: ProofError },
    /// A membership cannot be made or read.
    #[error(
        "the membership is not usable: {source}\n  next: start with --fresh, or restore the \
             data directory"
    )]
    Membership { source: ProofError },
    /// A header option is no header.
    #[error(
        "`{text}` is not a header field\n  next: write 'Name: value' in quotes, such as \
         -H 'Content-Type: application/json'"
    )]
    Header { text: String },
    /// A URL cannot be used.
    #[error(
        "`{url}` cannot be called: {why}\n  next: give a gateway's address, such as \
             http://127.0.0.1:15080/path"
    )]
    Url { url: String, why: &'static str },
    /// No URL was given.
    #[error("no URL\n  next: byz call [METHOD] http://127.0.0.1:15080/path")]
    NoUrl,
    /// A method that HTTP does not allow.
    #[error(
        "`{method}` is neither a method nor a URL that starts with http://\n  next: \
             byz call [METHOD] http://127.0.0.1:15080/path"
    )]
    Method { method: String },
    /// The gateways of one call have different paths.
    #[error(
        "{first} and {other} ask for different things\n  next: give further gateways by scheme, \
         host and port only, such as http://127.0.0.1:15090"
    )]
    DifferentTargets { first: String, other: String },
    /// A key cannot be used.
    #[error(
        "`{key}` is no Idempotency-Key\n  next: use 1 to 128 of letters, digits, `.`, `_`, \
             `~`, `-`, or a string in double quotes"
    )]
    Key { key: String },
    /// No gateway gave an answer that verifies.
    #[error("no verified answer:\n{attempts}\n  next: {next}")]
    NoAnswer {
        attempts: String,
        next: &'static str,
        refused: bool,
    },
    /// An option needs another.
    #[error("{given} says nothing without {missing}\n  next: add {missing}, or remove {given}")]
    Lacks {
        given: &'static str,
        missing: &'static str,
    },
    /// Neither a file nor a command was given.
    #[error(
        "nothing to run\n  next: name a manifest (`byz run -f byzantineservice.yaml`) or a \
         command (`byz run -- ./my-service --port {{port}}`)"
    )]
    NothingToRun,
    /// The manifest names no local command.
    #[error(
        "{} names no command for this machine\n  next: put it after --, or into the manifest as \
         annotation `byzantine.dev/local-command`", .path.display()
    )]
    NoLocalCommand { path: PathBuf },
    /// The command has quotes that do not end.
    #[error("the command `{command}` ends inside quotes\n  next: close them")]
    OpenQuote { command: String },
    /// The command names no program.
    #[error("the command `{program}` does not exist: it is neither beside {} nor on PATH\n  \
             next: {next}", .beside.display())]
    NoProgram {
        program: String,
        beside: PathBuf,
        next: String,
    },
    /// The program cannot be executed.
    #[error("{} cannot be executed: {why}\n  next: {next}", .path.display())]
    NotExecutable {
        path: PathBuf,
        why: String,
        next: String,
    },
    /// An unknown placeholder in the command.
    #[error(
        "the command holds the unknown placeholder `{{{name}}}`\n  next: use {{port}}, \
             {{replica}} or {{data}}; write {{{{ and }}}} for braces"
    )]
    Placeholder { name: String },
    /// An option and the manifest, or the rules, do not fit.
    #[error("{option} {given}: {why}\n  next: {next}")]
    Option {
        option: &'static str,
        given: String,
        why: String,
        next: String,
    },
    /// Ports are taken.
    #[error(
        "port {port} ({purpose} of replica {replica}) cannot be used: {source}\n  next: stop \
         what listens there, or choose another range with --port, such as --port {suggestion}"
    )]
    PortInUse {
        port: u16,
        purpose: &'static str,
        replica: usize,
        source: io::Error,
        suggestion: u16,
    },
    /// The data directory belongs to another run.
    #[error(
        "{} holds the data of another service: {what} was {theirs}, now it is {ours}\n  next: \
         choose another directory with --data, or give up its data with --fresh",
        .directory.display()
    )]
    ForeignData {
        directory: PathBuf,
        what: &'static str,
        theirs: String,
        ours: String,
    },
    /// The directory was not made by `byz run`.
    #[error(
        "{} is not empty and was not made by `byz run`\n  next: choose another directory with \
         --data", .directory.display()
    )]
    NotOurs { directory: PathBuf },
    /// The data directory is in use.
    #[error("{} is in use by another `byz run`\n  next: stop that one, or choose another \
             directory with --data and other ports with --port", .directory.display())]
    DataInUse { directory: PathBuf },
    /// No data directory could be found.
    #[error("no data of `byz run` in {}\n  next: {next}", .directory.display())]
    NoData {
        directory: PathBuf,
        next: &'static str,
    },
    /// A file of the data directory is damaged.
    #[error(
        "{} is damaged: {why}\n  next: restore it from a copy, or start with --fresh",
        .path.display()
    )]
    DamagedData { path: PathBuf, why: String },
    /// A process cannot be started.
    #[error("cannot start {what}: {source}\n  next: check the limits of processes and memory")]
    Spawn { what: String, source: io::Error },
    /// A process crashed too often.
    #[error(
        "{what} ended {count} times within a minute, the last time {how}\n{stderr}  next: {next}"
    )]
    Crashing {
        what: String,
        count: usize,
        how: String,
        stderr: String,
        next: &'static str,
    },
    /// A process ended that should have gone on.
    #[error("{what} ended {how}\n{stderr}  next: {next}")]
    Ended {
        what: String,
        how: String,
        stderr: String,
        next: &'static str,
    },
    /// The program did not become healthy.
    #[error(
        "{what} did not answer on port {port} within {}\n{stderr}  next: {next}",
        humantime::format_duration(*.waited)
    )]
    Unhealthy {
        what: String,
        port: u16,
        waited: std::time::Duration,
        stderr: String,
        next: &'static str,
    },
    /// No status could be had.
    #[error(
        "no replica answers on its administration port:\n{attempts}\n  next: start the \
             service with `byz run`, or name a port with --admin http://127.0.0.1:15082"
    )]
    NoStatus { attempts: String },
    /// A gateway's policy could not be had.
    #[error("no policy from {url}: {why}\n  next: check the address; it must be a gateway's")]
    NoPolicy { url: String, why: String },
    /// A request given as one text cannot be read.
    #[error(
        "`{text}` is not a request\n  next: write METHOD and path, such as 'GET /accounts', \
             and after them a body if there is one"
    )]
    RequestText { text: String },
    /// Ledgers differ or do not verify.
    #[error("the ledgers do not agree:\n{findings}\n  next: {next}")]
    Audit {
        findings: String,
        next: &'static str,
    },
    /// The sidecar failed.
    #[error("{0}")]
    Sidecar(#[from] SidecarError),
    /// Keys cannot be made.
    #[error("{0}")]
    Keystore(#[from] KeystoreError),
    /// A ledger cannot be read.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
}

impl CliError {
    /// 1 failed, 2 wrong use, 3 cannot decide.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Header { .. }
            | Self::Url { .. }
            | Self::NoUrl
            | Self::PolicyNotNamed
            | Self::Method { .. }
            | Self::DifferentTargets { .. }
            | Self::Key { .. }
            | Self::Lacks { .. }
            | Self::NothingToRun
            | Self::NoLocalCommand { .. }
            | Self::OpenQuote { .. }
            | Self::NoProgram { .. }
            | Self::NotExecutable { .. }
            | Self::Placeholder { .. }
            | Self::Option { .. }
            | Self::Manifest { .. }
            | Self::ForeignData { .. }
            | Self::NotOurs { .. }
            | Self::RequestText { .. } => 2,
            Self::Read { .. }
            | Self::InputTooLong { .. }
            | Self::NotText { .. }
            | Self::Policy { .. }
            | Self::NoData { .. }
            | Self::NoStatus { .. }
            | Self::NoPolicy { .. }
            | Self::NoAnswer { refused: false, .. } => 3,
            _ => 1,
        }
    }
}
