//! A long run under load, with processes killed at random: what only time shows.
//!
//! Four replicas of the wallet, payments at a steady rate, and every now and then a SIGKILL to a
//! sidecar or an app, the next one only when all have come back. In the end nothing acknowledged
//! may be lost, the ledgers must be equal, and memory and disk must have stayed where they were.

mod chance;
mod chaos;
mod chart;
mod client_log;
mod footprint;
mod payments;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use crate::comeback::{caught_up, ledgers_are_equal};
use crate::service::Launch;
use chance::Chance;
use footprint::Footprint;
use payments::Payments;

/// How long, how much, and where the findings go.
#[derive(Debug, Clone, Args)]
pub struct SoakOptions {
    /// How long the load goes on
    #[arg(long, default_value_t = 30)]
    pub minutes: u64,
    /// What decides who is killed, and when
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Payments a second, of all clients together
    #[arg(long, default_value_t = 50)]
    pub rate: u32,
    /// Where the samples go
    #[arg(long, default_value = "target/soak.csv")]
    pub csv: PathBuf,
    /// Where the plot goes
    #[arg(long, default_value = "target/soak.svg")]
    pub svg: PathBuf,
}

/// Short retention, so that a run of minutes shows what a service of months does.
const SPEC: &str = "  \
  http: {keyRetention: 1m}
  consensus: {checkpointInterval: 96}
  storage: {ledger: {keepBodies: 1m}}";

/// Runs it, prints what came out, and writes samples and plot.
///
/// # Errors
/// What is not as it must be, in words.
///
/// # Panics
/// When something acknowledged is lost, or the ledgers differ.
pub async fn run(options: &SoakOptions) -> Result<(), Vec<String>> {
    let mut service = Launch::wallet_with(SPEC).beside_others().start().await;
    let client = service.client();
    let (stop, stopped) = watch::channel(false);
    let payments = Payments::start(&client, options.rate, &stopped).await;
    let footprint = Footprint::start(&service, payments.acknowledged(), &stopped);
    let mut chance = Chance::new(options.seed);
    let time = Duration::from_secs(options.minutes * 60);
    let kills = chaos::reign(&mut service, &mut chance, time).await;
    stop.send_replace(true);
    let log = payments.finish().await;
    let samples = footprint.finish().await;
    for replica in service.replicas() {
        caught_up(&mut service, replica).await;
    }
    log.check_balances(&client).await;
    service.stop().await;
    ledgers_are_equal(&service);
    let found = log.check_ledgers(&service);
    println!(
        "seed {}: {} payments acknowledged, each found in {found} ledgers; {} kills: {}",
        options.seed,
        log.len(),
        kills.len(),
        chaos::told(&kills),
    );
    footprint::write(&options.csv, &samples);
    chart::draw(&options.svg, &samples, &kills);
    verdict::judge(&samples)
}
