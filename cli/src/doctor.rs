//! `byz doctor`: what makes a program's answers differ between replicas.
//!
//! Two instances get the same requests, with the same agreed time and seed, but one later than
//! the other and with another process id, port and directory: as two replicas would.

mod comparison;
mod exchange;
mod finding;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::arguments::OutputFormat;
use crate::error::CliError;
use crate::output;
use crate::run::{Instance, Template, own_program_directory};
use exchange::Answered;
use finding::Finding;

pub(crate) use exchange::Exchange;

/// Longer than the second that most clocks show.
const PAUSE: Duration = Duration::from_millis(1100);

/// Every request is sent so often to each instance: what is random may be equal once.
const ROUNDS: u64 = 3;

/// Arguments of `byz doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
The program is started twice and gets the same requests both times, the second time more than a
second later. What differs between the answers would differ between replicas, too. What is the same
here may still differ under load, on another machine, or for other requests: name the ones that
matter with --request.

Examples:
  byz doctor -- ./my-service --port {port}
  byz doctor --request 'GET /accounts' --request 'POST /accounts {\"name\":\"a\"}' -- ./my-service

Exit codes: 0 nothing differed, 1 something did, 2 wrong use.")]
pub(crate) struct DoctorArguments {
    /// A request to send: METHOD PATH [BODY]; may be repeated; GET / if not given
    #[arg(long = "request", value_name = "REQUEST")]
    requests: Vec<String>,
    /// Its health path, asked as well
    #[arg(long, visible_alias = "path-health", value_name = "PATH")]
    health_path: Option<String>,
    /// A response header to leave out, as spec.http.dropResponseHeaders does; may be repeated
    #[arg(long, value_name = "NAME")]
    drop_response_header: Vec<String>,
    /// text or json
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
    /// The app's command, with {port}, {replica} and {data}
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn execute(arguments: DoctorArguments) -> Result<ExitCode, CliError> {
    let template = Template::new(&arguments.command, &own_program_directory())?;
    let exchanges = exchanges(&arguments)?;
    let directory = tempfile::tempdir().map_err(|source| CliError::Runtime { source })?;
    let first = observe(&template, 0, directory.path(), &exchanges).await?;
    tokio::time::sleep(PAUSE).await;
    let second = observe(&template, 1, directory.path(), &exchanges).await?;
    let comparison = comparison::Comparison::new(&arguments.drop_response_header);
    let findings = comparison.findings(&exchanges, &first, &second);
    report(&arguments, &exchanges, &findings);
    let serious = findings.iter().any(Finding::is_serious);
    Ok(ExitCode::from(u8::from(serious)))
}

fn exchanges(arguments: &DoctorArguments) -> Result<Vec<Exchange>, CliError> {
    let mut texts = arguments.requests.clone();
    if texts.is_empty() {
        texts.push("GET /".to_owned());
    }
    texts.extend(
        arguments
            .health_path
            .iter()
            .map(|path| format!("GET {path}")),
    );
    texts.iter().map(|text| Exchange::parse(text)).collect()
}

/// The answers of one instance: all requests, and again.
async fn observe(
    template: &Template,
    number: usize,
    directory: &std::path::Path,
    exchanges: &[Exchange],
) -> Result<Vec<Answered>, CliError> {
    let place = directory.join(number.to_string());
    let instance = Instance::start(template, number, &place).await?;
    let (mut answers, mut ordinal) = (Vec::new(), 1);
    for _ in 0..ROUNDS {
        for exchange in exchanges {
            answers.push(exchange.send(instance.port(), ordinal).await);
            ordinal += 1;
        }
    }
    instance.stop().await;
    Ok(answers)
}

fn report(arguments: &DoctorArguments, exchanges: &[Exchange], findings: &[Finding]) {
    let asked: Vec<String> = exchanges.iter().map(ToString::to_string).collect();
    if arguments.output == OutputFormat::Json {
        let findings: Vec<_> = findings.iter().map(Finding::to_json).collect();
        output::print_json(&json!({
            "deterministic": findings.is_empty(), "requests": asked, "findings": findings,
        }));
        return;
    }
    if findings.is_empty() {
        output::print(format_args!(
            "nothing differed: two instances answered the same to {} (each {ROUNDS} times, over a \
             second apart)\n  this is no proof: name more requests with --request, above all \
             those that change something",
            asked.join(", ")
        ));
        return;
    }
    output::print(format_args!("{} found:", finding::counted(findings.len())));
    for finding in findings {
        output::print(format_args!("  - {finding}"));
    }
}
