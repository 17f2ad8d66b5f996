//! Watches the replicas' status: says when a quorum serves, and how it goes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use byzantine_sidecar::status::Status;
use http::Uri;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::console::Console;
use super::directory::RunDirectory;
use super::plan::Plan;
use super::supervisor::Phase;
use crate::http_client::{HttpClient, Outgoing};
use crate::status::{ask, faults_left};

/// How often the replicas are asked.
const PERIOD: Duration = Duration::from_secs(1);

/// A replica that does not answer for this long is not counted.
const PATIENCE: Duration = Duration::from_millis(800);

/// After this long without a quorum, and again, the reasons are shown.
const SLOW_START: Duration = Duration::from_secs(15);

/// Why and how an app is to be started again.
pub(super) struct Wanted {
    pub(super) why: String,
    /// Its data are not what was agreed on, and must be out of its way.
    pub(super) without_data: bool,
}

/// Resolves with the cause when a sidecar wants its app restarted.
///
/// The first second after a start is left out: the sidecar has not met the new process yet.
pub(super) async fn wants_restart(status: &Uri) -> Wanted {
    let (client, request) = (HttpClient::new(), Outgoing::get(status.clone()));
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        // A sidecar that is down wants nothing.
        let Ok(answer) = client.send(&request, PATIENCE).await else {
            continue;
        };
        let status: Option<Status> = serde_json::from_slice(&answer.body).ok();
        if let Some(app) = status.map(|status| status.app).filter(|app| app.diverged) {
            return Wanted {
                why: app.detail,
                without_data: app.data_differ,
            };
        }
    }
}

/// Watches one run.
pub(super) struct Watcher {
    console: Console,
    admins: Vec<Uri>,
    gateways: Vec<String>,
    name: String,
    policy: PathBuf,
    data: PathBuf,
    quorum: usize,
    tolerated: usize,
}

impl Watcher {
    pub(super) fn new(plan: &Plan, run: &RunDirectory, console: Console) -> Self {
        let address = |replica: usize, offset: u16| {
            format!("http://127.0.0.1:{}", plan.port_of(replica) + offset)
        };
        let replicas = 0..plan.replicas();
        let admin = |replica| format!("{}/status", address(replica, 2)).parse().ok();
        Self {
            console,
            admins: replicas.clone().filter_map(admin).collect(),
            gateways: replicas.map(|replica| address(replica, 0)).collect(),
            name: plan.service.metadata.name.clone(),
            policy: shortened(&run.policy_file()),
            data: shortened(run.path()),
            quorum: run.membership().order_quorum(),
            tolerated: run.membership().f(),
        }
    }

    /// Watches until the run is to end.
    pub(super) async fn run(self, mut phase: watch::Receiver<Phase>) {
        tokio::select! {
            () = self.watch() => {}
            _ = phase.wait_for(|phase| *phase > Phase::Running) => {}
        }
    }

    async fn watch(&self) {
        let client = HttpClient::new();
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut said, mut patient_until, mut executed) = (false, Instant::now() + SLOW_START, 0);
        loop {
            ticks.tick().await;
            let statuses = ask(&client, &self.admins, PATIENCE).await;
            let ready = statuses
                .iter()
                .flatten()
                .filter(|status| status.ready)
                .count();
            if ready >= self.quorum && !said {
                self.console.announce(self.ready_text()).await;
                said = true;
            } else if !said && Instant::now() > patient_until {
                self.console.announce(Self::reasons(&statuses)).await;
                patient_until = Instant::now() + SLOW_START;
            }
            let now = statuses
                .iter()
                .flatten()
                .map(|status| status.ordinal)
                .max()
                .unwrap_or(0);
            self.console
                .status(self.status_line(&statuses, now.saturating_sub(executed)));
            executed = now;
        }
    }

    fn ready_text(&self) -> String {
        let (first, policy) = (&self.gateways[0], self.policy.display());
        let others = self.gateways[1..].join(" ");
        format!(
            "ready: {} answers on {} gateways and tolerates {} faulty of {} replicas\n  \
             gateways  {first} {others}\n  \
             call      byz call {first}/ {others} --policy {policy}\n  \
             curl      curl -si {first}/ > response && byz verify --policy {policy} response\n  \
             status    byz status --data {}\n  \
             A bare curl trusts the replica that it asks; call and verify trust none alone.",
            self.name,
            self.gateways.len(),
            self.tolerated,
            self.gateways.len(),
            self.data.display(),
        )
    }

    fn status_line(&self, statuses: &[Option<Status>], per_second: u64) -> String {
        let present = || statuses.iter().flatten();
        let ready = present().filter(|status| status.ready).count();
        let newest = present().max_by_key(|status| status.view);
        let (view, primary) = newest.map_or((0, 0), |status| (status.view, status.primary));
        let executed = present()
            .map(|status| status.executed_sequence)
            .max()
            .unwrap_or(0);
        format!(
            "{}: {ready}/{} ready, view {view} (primary {primary}), sequence {executed}, \
             {per_second} requests/s, {} more may fail",
            self.name,
            statuses.len(),
            faults_left(statuses, self.tolerated),
        )
    }

    /// Why it takes so long, as the replicas tell it.
    fn reasons(statuses: &[Option<Status>]) -> String {
        let mut text = String::from("still waiting for a quorum:");
        for (replica, status) in statuses.iter().enumerate() {
            let reason = match status {
                None => "its sidecar does not answer; see its log".to_owned(),
                Some(status) if status.ready => continue,
                Some(status) => status.reasons.join(" "),
            };
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  replica {replica}: {reason}");
        }
        text.push_str(
            "\n  next: does the app listen on {port} (or the variable PORT) of 127.0.0.1, and does \
             its health path answer 2xx?",
        );
        text
    }
}

/// Relative to the working directory where that is shorter.
fn shortened(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}
