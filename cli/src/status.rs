//! `byz status`: what the replicas say about themselves and each other.

mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use byzantine_sidecar::status::Status;
use clap::Args;
use http::Uri;
use serde_json::{Value, json};

use crate::arguments::OutputFormat;
use crate::data::{self, ServiceRecord};
use crate::error::CliError;
use crate::http_client::{HttpClient, Outgoing, parse_url};
use crate::output;

const PATIENCE: Duration = Duration::from_secs(2);

const PERIOD: Duration = Duration::from_secs(1);

/// Arguments of `byz status`.
#[derive(Debug, Args)]
#[command(after_help = "\
A replica is named as faulty only on proof or by what another one measured itself. One that is not
heard is shown as not heard; who is to blame for that, nobody can know.

Examples:
  byz status
  byz status --watch --data .byzantine/wallet
  byz status --admin http://127.0.0.1:15082 --output json")]
pub(crate) struct StatusArguments {
    /// The data directory of `byz run`; the only one in .byzantine if not given
    #[arg(long, value_name = "DIR", conflicts_with = "admin")]
    data: Option<PathBuf>,
    /// Administration ports to ask instead; may be repeated
    #[arg(long, value_name = "URL", num_args = 1..)]
    admin: Vec<String>,
    /// Show it again every second
    #[arg(short, long)]
    watch: bool,
    /// text or json
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(crate) async fn execute(arguments: StatusArguments) -> Result<ExitCode, CliError> {
    let addresses = addresses(&arguments)?;
    let client = HttpClient::new();
    loop {
        let statuses = ask(&client, &addresses, PATIENCE).await;
        show(&arguments, &addresses, &statuses)?;
        if !arguments.watch {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

fn addresses(arguments: &StatusArguments) -> Result<Vec<Uri>, CliError> {
    let named = if arguments.admin.is_empty() {
        let directory = data::find(arguments.data.as_deref())?;
        ServiceRecord::read(&directory)?.admins()
    } else {
        arguments.admin.clone()
    };
    let page = |address: &String| parse_url(&format!("{}/status", address.trim_end_matches('/')));
    named.iter().map(page).collect()
}

/// Asks all at the same time; `None` where nothing readable came in time.
pub(crate) async fn ask(
    client: &HttpClient,
    addresses: &[Uri],
    patience: Duration,
) -> Vec<Option<Status>> {
    let asked: Vec<_> = addresses
        .iter()
        .map(|address| {
            let (client, request) = (client.clone(), Outgoing::get(address.clone()));
            tokio::spawn(async move {
                let answer = client.send(&request, patience).await.ok()?;
                serde_json::from_slice(&answer.body).ok()
            })
        })
        .collect();
    let mut statuses = Vec::with_capacity(asked.len());
    for task in asked {
        statuses.push(task.await.ok().flatten());
    }
    statuses
}

/// f less those that do not serve.
pub(crate) fn faults_left(statuses: &[Option<Status>], tolerated: usize) -> usize {
    let well = |status: &&Option<Status>| status.as_ref().is_some_and(|status| status.ready);
    tolerated.saturating_sub(statuses.len() - statuses.iter().filter(well).count())
}

fn show(
    arguments: &StatusArguments,
    addresses: &[Uri],
    statuses: &[Option<Status>],
) -> Result<(), CliError> {
    if statuses.iter().all(Option::is_none) && !arguments.watch {
        let attempts: Vec<String> = addresses.iter().map(|url| format!("  {url}")).collect();
        return Err(CliError::NoStatus {
            attempts: attempts.join("\n"),
        });
    }
    if arguments.output == OutputFormat::Json {
        output::print_json(&as_json(addresses, statuses));
        return Ok(());
    }
    if arguments.watch {
        output::print_bytes(b"\x1b[H\x1b[2J");
    }
    output::print(table::text(addresses, statuses));
    Ok(())
}

fn as_json(addresses: &[Uri], statuses: &[Option<Status>]) -> Value {
    let tolerated = statuses
        .iter()
        .flatten()
        .next()
        .map_or(0, |status| status.fault_tolerance);
    let replicas: Vec<Value> = addresses
        .iter()
        .zip(statuses)
        .map(|(address, status)| json!({"admin": address.to_string(), "status": status}))
        .collect();
    json!({"faultsLeft": faults_left(statuses, tolerated), "replicas": replicas})
}
