//! `byz policy`: the trusted policy, or a gateway's copy for comparison.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use byzantine_proof::{Membership, Policy};
use clap::Args;
use http::Uri;

use crate::data;
use crate::error::CliError;
use crate::files;
use crate::http_client::{HttpClient, Outgoing, parse_url};
use crate::output;

const PATIENCE: Duration = Duration::from_secs(10);

/// Where a gateway shows its copy.
const WELL_KNOWN: &str = "/.well-known/byzantine/policy";

/// Arguments of `byz policy`.
#[derive(Debug, Args)]
#[command(after_help = "\
The policy says whose signatures make a proof. Trust the one from where the service is operated; a
gateway's copy is good for comparison only, since a lying gateway would show its own.

Examples:
  byz policy > policy
  byz policy --data .byzantine/wallet
  byz policy http://127.0.0.1:15080 --compare policy")]
pub(crate) struct PolicyArguments {
    /// A gateway whose copy to fetch, for comparison
    #[arg(conflicts_with = "data")]
    url: Option<String>,
    /// The data directory of `byz run`; the only one in .byzantine if not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A pinned policy that must be the same
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

pub(crate) async fn execute(arguments: PolicyArguments) -> Result<ExitCode, CliError> {
    let policy = match &arguments.url {
        Some(url) => fetched(url).await?,
        None => trusted(&data::find(arguments.data.as_deref())?)?,
    };
    if let Some(pinned) = &arguments.compare {
        return compare(&policy, pinned);
    }
    if arguments.url.is_some() {
        output::warn("this copy is the gateway's own: compare it with --compare, do not trust it");
    }
    output::print_bytes(policy.to_string().as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// The policy of the membership that `byz run` made.
fn trusted(directory: &Path) -> Result<Policy, CliError> {
    let text = files::read_text(&directory.join("membership"))?;
    let membership = Membership::parse(&text).map_err(|source| CliError::Membership { source })?;
    Ok(Policy::of(&membership))
}

async fn fetched(address: &str) -> Result<Policy, CliError> {
    let mut parts = parse_url(address)?.into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static(WELL_KNOWN));
    let url = Uri::from_parts(parts).expect("scheme and host were there, and a path was added");
    let failed = |why: String| CliError::NoPolicy {
        url: url.to_string(),
        why,
    };
    let answer = HttpClient::new()
        .send(&Outgoing::get(url.clone()), PATIENCE)
        .await;
    let answer = answer.map_err(|error| failed(error.to_string()))?;
    if answer.status != 200 {
        return Err(failed(format!("it answers {}", answer.status)));
    }
    let text = String::from_utf8_lossy(&answer.body);
    Policy::parse(&text).map_err(|source| CliError::Policy {
        place: url.to_string(),
        source,
    })
}

fn compare(policy: &Policy, pinned: &Path) -> Result<ExitCode, CliError> {
    if files::read_policy(Some(pinned))? == *policy {
        output::print("equal");
        return Ok(ExitCode::SUCCESS);
    }
    output::note(format_args!(
        "error: the policies differ: {} is pinned, {} was found\n  next: ask the operator which \
         one holds, by another way than this gateway",
        files::read_policy(Some(pinned))?.origin(),
        policy.origin(),
    ));
    Ok(ExitCode::FAILURE)
}
