//! `byz audit`: the ledgers of stopped replicas, against each other and against the policy.

mod replica;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use byzantine_consensus::Sequence;
use byzantine_proof::{Digest, Membership};
use clap::Args;
use serde_json::json;

use crate::arguments::OutputFormat;
use crate::data::{self, ServiceRecord};
use crate::error::CliError;
use crate::files;
use crate::output;
use replica::Audited;

/// Sequences compared at a time.
const STRIDE: usize = 1024;

/// Findings that a report lists.
const LISTED: usize = 20;

/// Arguments of `byz audit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Stop the service first. Every sequence that two replicas have must be the same, byte for byte;
every checkpoint must carry a quorum's signatures; every answer must be in the tree they signed.

Example:
  byz audit --data .byzantine/wallet")]
pub(crate) struct AuditArguments {
    /// The data directory of `byz run`; the only one in .byzantine if not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// text or json
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(crate) fn execute(arguments: &AuditArguments) -> Result<ExitCode, CliError> {
    let directory = data::find(arguments.data.as_deref())?;
    let membership = membership(&directory)?;
    let replicas = ServiceRecord::read(&directory)?.identity.replicas;
    let mut audited = Vec::new();
    for replica in 0..replicas {
        audited.extend(Audited::open(&directory, replica, &membership)?);
    }
    let mut findings = Vec::new();
    let compared = compare(&audited, &mut findings)?;
    let mut checkpoints = 0;
    for one in &audited {
        checkpoints += one.check(&membership, &mut findings)?;
    }
    report(arguments, &audited, compared, checkpoints, &findings)
}

fn membership(directory: &Path) -> Result<Arc<Membership>, CliError> {
    let text = files::read_text(&directory.join("membership"))?;
    let parsed = Membership::parse(&text);
    parsed
        .map(Arc::new)
        .map_err(|source| CliError::Membership { source })
}

/// Compares what every two replicas have; returns how many sequences at least two of them have.
fn compare(audited: &[Audited], findings: &mut Vec<String>) -> Result<u64, CliError> {
    let (mut from, mut compared) = (Sequence(1), 0);
    loop {
        let mut parts = Vec::new();
        for one in audited {
            parts.push((one.replica(), one.ledger().entry_digests(from, STRIDE)?));
        }
        let longest = parts.iter().map(|(_, part)| part.len()).max().unwrap_or(0);
        if longest == 0 {
            return Ok(compared);
        }
        for place in 0..longest {
            compared += u64::from(compare_place(&parts, place, findings));
        }
        from = Sequence(from.0 + STRIDE as u64);
    }
}

type Part = (usize, Vec<(Sequence, Digest)>);

/// Whether at least two replicas have an entry at this place.
fn compare_place(parts: &[Part], place: usize, findings: &mut Vec<String>) -> bool {
    let present: Vec<_> = parts
        .iter()
        .filter_map(|(replica, part)| Some((replica, part.get(place)?)))
        .collect();
    let Some(((first, expected), others)) = present.split_first() else {
        return false;
    };
    for (other, found) in others {
        if found != expected {
            findings.push(format!(
                "replica {first} has sequence {} with digest {}, replica {other} sequence {} with \
                 digest {}",
                expected.0.0, expected.1, found.0.0, found.1
            ));
        }
    }
    !others.is_empty()
}

fn report(
    arguments: &AuditArguments,
    audited: &[Audited],
    compared: u64,
    checkpoints: u64,
    findings: &[String],
) -> Result<ExitCode, CliError> {
    if arguments.output == OutputFormat::Json {
        let replicas: Vec<_> = audited.iter().map(Audited::summary).collect();
        output::print_json(&json!({
            "agree": findings.is_empty(), "replicas": replicas, "comparedSequences": compared,
            "checkedCheckpoints": checkpoints, "findings": findings,
        }));
        return Ok(ExitCode::from(u8::from(!findings.is_empty())));
    }
    if findings.is_empty() {
        for one in audited {
            output::print(one);
        }
        output::print(format_args!(
            "the ledgers agree: {compared} sequences are equal byte for byte, and {checkpoints} \
             checkpoints carry a quorum's signatures"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines: Vec<String> = findings
        .iter()
        .take(LISTED)
        .map(|line| format!("  - {line}"))
        .collect();
    if findings.len() > LISTED {
        lines.push(format!(
            "  and {} more: --output json",
            findings.len() - LISTED
        ));
    }
    let next = "keep the data directory; a replica whose ledger differs was faulty, or its disk is";
    Err(CliError::Audit {
        findings: lines.join("\n"),
        next,
    })
}
