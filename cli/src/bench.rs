//! `byz bench`: latency and throughput of a running service, beside the bare app.

mod load;
mod machine;
mod sample;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::arguments::OutputFormat;
use crate::data::{self, ServiceRecord};
use crate::doctor::Exchange;
use crate::error::CliError;
use crate::output;
use crate::run::{Instance, Template, own_program_directory};
use load::{Target, Throughput};
use machine::Machine;
use sample::Sample;

/// Arguments of `byz bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
The service must be running (`byz run`). The same requests go to the service and to one more
instance of its app that stands alone, in turns, so that both see the same machine. Every request to
the service is ordered, executed, made durable and signed by a quorum before it counts.

Examples:
  byz bench
  byz bench --request 'POST /accounts {\"name\":\"a{i}\"}' --output json

{i} in a request is replaced by a number that never repeats.")]
pub(crate) struct BenchArguments {
    /// The data directory of `byz run`; the only one in .byzantine if not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The request: METHOD PATH [BODY]
    #[arg(long, default_value = "GET /", value_name = "REQUEST")]
    request: String,
    /// A request to send once before, to both; may be repeated
    #[arg(long, value_name = "REQUEST")]
    setup: Vec<String>,
    /// How many requests the one client sends
    #[arg(long, default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    requests: u32,
    /// How many clients measure throughput
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    clients: u32,
    /// How long they do
    #[arg(long, default_value = "10s", value_name = "DURATION")]
    duration: humantime::Duration,
    /// text (a Markdown table) or json
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(crate) async fn execute(arguments: BenchArguments) -> Result<ExitCode, CliError> {
    let request = Exchange::parse(&arguments.request)?;
    let setup: Result<Vec<Exchange>, CliError> = arguments
        .setup
        .iter()
        .map(|text| Exchange::parse(text))
        .collect();
    let directory = data::find(arguments.data.as_deref())?;
    let record = ServiceRecord::read(&directory)?;
    let template = Template::new(&record.identity.command, &own_program_directory())?;
    let alone = tempfile::tempdir().map_err(|source| CliError::Runtime { source })?;
    let app = Instance::start(&template, 0, alone.path()).await?;
    let service = Target::service(record.gateways())?;
    let bare = Target::bare(app.port())?;
    let results = measure(&arguments, &setup?, &request, &service, &bare).await;
    app.stop().await;
    let results = results?;
    match arguments.output {
        OutputFormat::Text => output::print(results.markdown(&record)),
        OutputFormat::Json => output::print_json(&results.json(&record)),
    }
    Ok(ExitCode::SUCCESS)
}

struct Results {
    request: String,
    service: Sample,
    bare: Sample,
    many: Throughput,
    many_bare: Throughput,
    clients: u32,
    machine: Machine,
}

async fn measure(
    arguments: &BenchArguments,
    setup: &[Exchange],
    request: &Exchange,
    service: &Target,
    bare: &Target,
) -> Result<Results, CliError> {
    for exchange in setup {
        service.send(exchange, 0).await?;
        bare.send(exchange, 0).await?;
    }
    let (mut through, mut straight) = (Vec::new(), Vec::new());
    // The first ones open connections and fill caches.
    let warm_up = arguments.requests / 10;
    for number in 0..warm_up + arguments.requests {
        let (ours, theirs) = (
            service.send(request, 0).await?,
            bare.send(request, 0).await?,
        );
        if number >= warm_up {
            through.push(ours);
            straight.push(theirs);
        }
    }
    let duration: Duration = arguments.duration.into();
    Ok(Results {
        request: arguments.request.clone(),
        service: Sample::new(through),
        bare: Sample::new(straight),
        many: load::throughput(service, request, arguments.clients, duration).await,
        many_bare: load::throughput(bare, request, arguments.clients, duration).await,
        clients: arguments.clients,
        machine: Machine::here(),
    })
}

impl Results {
    fn ratio(&self) -> f64 {
        self.service.median().as_secs_f64() / self.bare.median().as_secs_f64().max(f64::EPSILON)
    }

    fn markdown(&self, record: &ServiceRecord) -> String {
        let identity = &record.identity;
        format!(
            "`{}` on {} replicas of {} (f = {}), app state {}, {} requests by one client\n\n\
             | one client | p50 ms | p99 ms | max ms |\n|---|---:|---:|---:|\n{}\n{}\n\n\
             p50 is {:.1} times that of the bare app.\n\n\
             | {} clients | requests/s | p50 ms | p99 ms | max ms | failed |\n\
             |---|---:|---:|---:|---:|---:|\n{}\n{}\n\n{}",
            self.request,
            identity.replicas,
            identity.name,
            identity.fault_tolerance,
            identity.state,
            self.service.count(),
            latency_row("through Byzantine", &self.service),
            latency_row("the bare app", &self.bare),
            self.ratio(),
            self.clients,
            throughput_row("through Byzantine", &self.many),
            throughput_row("the bare app, one at a time", &self.many_bare),
            self.machine,
        )
    }

    fn json(&self, record: &ServiceRecord) -> serde_json::Value {
        json!({
            "request": self.request,
            "replicas": record.identity.replicas,
            "faultTolerance": record.identity.fault_tolerance,
            "oneClient": {
                "service": self.service.to_json(),
                "bareApp": self.bare.to_json(),
                "medianRatio": self.ratio(),
            },
            "manyClients": {
                "clients": self.clients,
                "service": self.many.to_json(),
                "bareApp": self.many_bare.to_json(),
            },
            "machine": self.machine.to_json(),
        })
    }
}

fn latency_row(name: &str, sample: &Sample) -> String {
    let [median, high, largest] = sample.in_milliseconds();
    format!("| {name} | {median:.2} | {high:.2} | {largest:.2} |")
}

fn throughput_row(name: &str, of: &Throughput) -> String {
    let [median, high, largest] = of.latency.in_milliseconds();
    format!(
        "| {name} | {:.0} | {median:.2} | {high:.2} | {largest:.2} | {} |",
        of.per_second(),
        of.failed
    )
}
