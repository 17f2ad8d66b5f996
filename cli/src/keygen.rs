//! `byz keygen`: the three secret keys of a replica.

use std::path::PathBuf;
use std::process::ExitCode;

use byzantine_proof::ReplicaId;
use byzantine_sidecar::keystore::Keystore;
use clap::Args;
use serde_json::json;

use crate::arguments::OutputFormat;
use crate::error::CliError;
use crate::output;

/// Arguments of `byz keygen`.
#[derive(Debug, Args)]
#[command(after_help = "\
The directory receives vote.key, cosigner.key and link.key, readable by you only. Keys are never
overwritten. Make them where the replica lives: a key that travelled is a key that others may have.

Example:
  byz keygen /var/lib/byzantine/keys")]
pub(crate) struct KeygenArguments {
    /// The directory; it is made if needed
    directory: PathBuf,
    /// text or json
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(crate) fn execute(arguments: &KeygenArguments) -> Result<ExitCode, CliError> {
    let member = Keystore::generate(&arguments.directory)?.member(ReplicaId(0));
    let (vote, cosigner) = (member.vote.to_base64(), member.cosigner.to_base64());
    let link = member.link.to_base64();
    match arguments.output {
        OutputFormat::Json => {
            output::print_json(&json!({"vote": vote, "cosigner": cosigner, "link": link}));
        }
        OutputFormat::Text => output::print(format_args!(
            "public keys, as a membership lists them (secret ones are in {}):\n\
             vote      {vote}\ncosigner  {cosigner}\nlink      {link}",
            arguments.directory.display()
        )),
    }
    Ok(ExitCode::SUCCESS)
}
