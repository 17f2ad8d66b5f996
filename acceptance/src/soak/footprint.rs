//! What each replica takes: resident memory of its processes, and blocks on disk.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::{Pid, SysconfVar, sysconf};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::group;
use crate::service::Service;

/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(5);

/// What was seen at one moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Since the start.
    pub(super) at: Duration,
    /// Payments acknowledged so far.
    pub(super) acknowledged: usize,
    /// One for each replica.
    pub(super) replicas: Vec<Taken>,
}

/// Bytes that one replica takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    /// Resident memory of the sidecar; none while it is down.
    pub(super) sidecar: Option<u64>,
    /// Resident memory of the app.
    pub(super) app: Option<u64>,
    /// The ledger's file.
    pub(super) ledger: u64,
    /// The journal's.
    pub(super) journal: u64,
    /// Snapshots of the app's state.
    pub(super) snapshots: u64,
    /// The app's own data.
    pub(super) data: u64,
}

/// Samples that are being taken.
pub(super) struct Footprint(tokio::task::JoinHandle<Vec<Sample>>);

impl Footprint {
    pub(super) fn start(
        service: &Service,
        acknowledged: watch::Receiver<usize>,
        stopped: &watch::Receiver<bool>,
    ) -> Self {
        let data = service.data();
        let directories = service
            .replicas()
            .map(|replica| data.join(format!("replica-{replica}")))
            .collect();
        Self(tokio::spawn(sample(
            directories,
            acknowledged,
            stopped.clone(),
        )))
    }

    /// The samples; the load has stopped.
    ///
    /// # Panics
    /// When one could not be taken.
    pub(super) async fn finish(self) -> Vec<Sample> {
        self.0.await.expect("samples can be taken")
    }
}

async fn sample(
    directories: Vec<PathBuf>,
    acknowledged: watch::Receiver<usize>,
    mut stopped: watch::Receiver<bool>,
) -> Vec<Sample> {
    let (started, mut samples) = (Instant::now(), Vec::new());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return samples,
        }
        samples.push(Sample {
            at: started.elapsed(),
            acknowledged: *acknowledged.borrow(),
            replicas: directories
                .iter()
                .map(|directory| taken(directory))
                .collect(),
        });
    }
}

fn taken(replica: &Path) -> Taken {
    Taken {
        sidecar: group::with_argument(&replica.join("sidecar.json")).and_then(resident),
        app: group::in_file(&replica.join("app.pid")).and_then(resident),
        ledger: blocks(&replica.join("ledger/ledger.redb")),
        journal: blocks(&replica.join("ledger/journal")),
        snapshots: blocks(&replica.join("ledger/snapshots")),
        data: blocks(&replica.join("app")),
    }
}

/// Resident memory in bytes.
fn resident(pid: Pid) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    let page = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}

/// Bytes that a file, or all files of a directory, take on disk; holes take none.
fn blocks(path: &Path) -> u64 {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    if found.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        return entries.map(|entry| blocks(&entry.path())).sum();
    }
    found.blocks() * 512
}

/// Writes the samples as comma-separated values, a line for each replica.
///
/// # Panics
/// When the file cannot be written.
pub(super) fn write(path: &Path, samples: &[Sample]) {
    let mut text = String::from(
        "seconds,acknowledged,replica,sidecar_rss,app_rss,ledger,journal,snapshots,app_data\n",
    );
    for sample in samples {
        for (number, taken) in sample.replicas.iter().enumerate() {
            let memory = |bytes: Option<u64>| bytes.map_or(String::new(), |it| it.to_string());
            let (sidecar, app) = (memory(taken.sidecar), memory(taken.app));
            let (seconds, acknowledged) = (sample.at.as_secs_f64(), sample.acknowledged);
            let _ = writeln!(
                text,
                "{seconds:.1},{acknowledged},{number},{sidecar},{app},{},{},{},{}",
                taken.ledger, taken.journal, taken.snapshots, taken.data
            );
        }
    }
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    println!("{} samples: {}", samples.len(), path.display());
}
