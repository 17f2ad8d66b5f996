//! Keeps every process of a run alive until the run is to end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use byzantine_adversary::Fault;
use http::Uri;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::app;
use super::backoff::Backoff;
use super::child::{Ending, Launch, Process, in_words, indented};
use super::console::Console;
use super::directory::RunDirectory;
use super::plan::Plan;
use super::ports::Ports;
use super::readiness::{Wanted, wants_restart};
use crate::error::CliError;
use crate::http_client::parse_url;

/// How long a sidecar may take to answer what it accepted.
const SIDECAR_PATIENCE: Duration = Duration::from_secs(20);

/// How long a guard may take to end its app.
const APP_PATIENCE: Duration = Duration::from_secs(10);

/// How far the run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Running,
    /// Sidecars answer what they accepted, with their apps alive.
    StoppingSidecars,
    StoppingApps,
    /// Everything is killed.
    Killing,
}

/// What ends a run: the first signal gracefully, the second at once.
pub(super) async fn stop_on_signals(phase: Arc<watch::Sender<Phase>>, console: Console) {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else {
        return;
    };
    for next in [Phase::StoppingSidecars, Phase::Killing] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        raise(&phase, next);
        let text = match next {
            Phase::Killing => "stopping at once",
            _ => "stopping: sidecars finish what they accepted; again to stop at once",
        };
        console.announce(text).await;
    }
}

/// Phases are never left backwards.
fn raise(phase: &watch::Sender<Phase>, next: Phase) {
    phase.send_if_modified(|now| {
        let later = *now < next;
        if later {
            *now = next;
        }
        later
    });
}

/// Everything that the keepers of processes share.
struct Shared {
    console: Console,
    phase: Arc<watch::Sender<Phase>>,
    /// Replicas of which a process was given up.
    given_up: AtomicUsize,
    tolerated: usize,
}

/// Runs all processes until the phase says to stop, or too many of them were given up.
pub(super) async fn run(
    plan: &Plan,
    run: &RunDirectory,
    ports: &Ports,
    console: &Console,
    phase: &Arc<watch::Sender<Phase>>,
) -> Result<(), CliError> {
    let shared = Arc::new(Shared {
        console: console.clone(),
        phase: Arc::clone(phase),
        given_up: AtomicUsize::new(0),
        tolerated: plan.faults_tolerated(),
    });
    let (mut apps, mut sidecars) = (JoinSet::new(), JoinSet::new());
    for replica in 0..plan.replicas() {
        let keeper = Keeper::app(plan, run, ports, replica, Arc::clone(&shared))?;
        apps.spawn(keeper.keep());
        let keeper = Keeper::sidecar(plan, run, replica, Arc::clone(&shared));
        sidecars.spawn(keeper.keep());
    }
    let first = first_error(&mut sidecars).await;
    raise(phase, Phase::StoppingApps);
    let second = first_error(&mut apps).await;
    raise(phase, Phase::Killing);
    first.and(second)
}

async fn first_error(keepers: &mut JoinSet<Result<(), CliError>>) -> Result<(), CliError> {
    let mut result = Ok(());
    while let Some(ended) = keepers.join_next().await {
        // A panic in a keeper is a defect; the others are stopped in order all the same.
        let ended = ended.unwrap_or(Ok(()));
        result = result.and(ended);
    }
    result
}

/// Keeps one process alive.
struct Keeper {
    launch: Launch,
    ending: Ending,
    patience: Duration,
    until: Phase,
    backoff: Backoff,
    shared: Arc<Shared>,
    app: Option<AppSide>,
}

/// What only apps have.
struct AppSide {
    instance: PathBuf,
    data: PathBuf,
    status: Uri,
}

enum End {
    Phase,
    Restart(Wanted),
    Crash(std::io::Result<std::process::ExitStatus>),
}

impl Keeper {
    fn app(
        plan: &Plan,
        run: &RunDirectory,
        ports: &Ports,
        replica: usize,
        shared: Arc<Shared>,
    ) -> Result<Self, CliError> {
        let status = parse_url(&format!(
            "http://127.0.0.1:{}/status",
            plan.port_of(replica) + 2
        ))?;
        Ok(Self {
            launch: app::app(plan, run, ports, replica)?,
            ending: Ending::Input,
            patience: APP_PATIENCE,
            until: Phase::StoppingApps,
            backoff: Backoff::new(false),
            shared,
            app: Some(AppSide {
                instance: run.replica(replica).instance(),
                data: run.replica(replica).app(),
                status,
            }),
        })
    }

    fn sidecar(plan: &Plan, run: &RunDirectory, replica: usize, shared: Arc<Shared>) -> Self {
        let meant_to = plan.faults.get(&replica) == Some(&Fault::Crash);
        Self {
            launch: app::sidecar(plan, run, replica),
            ending: Ending::Signal,
            patience: SIDECAR_PATIENCE,
            until: Phase::StoppingSidecars,
            backoff: Backoff::new(meant_to),
            shared,
            app: None,
        }
    }

    async fn keep(mut self) -> Result<(), CliError> {
        let mut phase = self.shared.phase.subscribe();
        loop {
            if let Some(app) = &self.app {
                app::renew_instance(&app.instance)?;
            }
            let mut process = Process::start(&self.launch, &self.shared.console)?;
            let end = tokio::select! {
                status = process.ended() => End::Crash(status),
                _ = phase.wait_for(|phase| *phase >= self.until) => End::Phase,
                wanted = self.restart_wanted() => End::Restart(wanted),
            };
            match end {
                End::Phase => {
                    let now = wait_for_killing(phase.clone());
                    process.stop(self.ending, self.patience, now).await;
                    return Ok(());
                }
                End::Restart(Wanted { why, without_data }) => {
                    let text = format!("{} is started again: {why}", self.launch.what);
                    self.shared.console.announce(text).await;
                    let now = wait_for_killing(phase.clone());
                    process.stop(self.ending, self.patience, now).await;
                    if let Some(app) = self.app.as_ref().filter(|_| without_data) {
                        let aside = app::put_data_aside(&app.data)?;
                        let text = format!("its data were put aside, in {}", aside.display());
                        self.shared.console.announce(text).await;
                    }
                }
                End::Crash(status) => {
                    let (how, tail) = (in_words(&status), process.bury().await);
                    let Some(pause) = self.crashed(&how, tail).await? else {
                        return Ok(());
                    };
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = phase.wait_for(|phase| *phase >= self.until) => return Ok(()),
                    }
                }
            }
        }
    }

    async fn restart_wanted(&self) -> Wanted {
        match &self.app {
            Some(app) => wants_restart(&app.status).await,
            None => std::future::pending().await,
        }
    }

    /// The pause before the next start, or `None` where the process is given up.
    async fn crashed(
        &mut self,
        how: &str,
        tail: Vec<String>,
    ) -> Result<Option<Duration>, CliError> {
        let what = &self.launch.what;
        if let Some(pause) = self.backoff.crashed(Instant::now()) {
            let shown = humantime::format_duration(pause);
            let text = format!("{what} ended {how}; it is started again in {shown}");
            self.shared.console.announce(text).await;
            return Ok(Some(pause));
        }
        let lines = indented(&tail);
        let next = "correct the cause shown above; the whole log is beside the data, in \
                    replica-*/*.log";
        let error = CliError::Crashing {
            what: what.clone(),
            count: self.backoff.count(),
            how: how.to_owned(),
            stderr: lines,
            next,
        };
        let given_up = self.shared.given_up.fetch_add(1, Ordering::Relaxed) + 1;
        if given_up > self.shared.tolerated {
            raise(&self.shared.phase, Phase::StoppingSidecars);
            return Err(error);
        }
        let text = format!("{error}\n  the other replicas go on without it");
        self.shared.console.announce(text).await;
        Ok(None)
    }
}

async fn wait_for_killing(mut phase: watch::Receiver<Phase>) {
    // The sender outlives all keepers.
    let _ = phase.wait_for(|phase| *phase >= Phase::Killing).await;
}
