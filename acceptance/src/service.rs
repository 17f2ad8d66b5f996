//! `byz run` as a user starts it: a manifest or a command, a data directory, free ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use byzantine_adversary::Fault;
use byzantine_proof::Policy;
use byzantine_sidecar::status::{ObservationKind, Status};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use tempfile::TempDir;

use crate::client::Client;
use crate::console::Console;
use crate::eventually::{DEADLINE, eventually};
use crate::exchange::Http;
use crate::group::{self, Group};
use crate::metrics::Metrics;
use crate::ports::free_block;
use crate::programs::{program, repository};
use crate::stage::Stage;

/// Ports from one replica to the next.
const PORT_STEP: u16 = 10;

/// From a gateway's port to the same replica's administration.
const ADMINISTRATION: u16 = 2;

/// For a page of the administration.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be run, and how.
#[derive(Debug, Clone)]
pub struct Launch {
    options: Vec<String>,
    command: Vec<String>,
    replicas: u8,
    /// A manifest of the story's own.
    manifest: Option<String>,
    /// Whether stories beside it would disturb it, and it them.
    alone: bool,
}

/// A running service. Dropping it kills every process of it.
pub struct Service {
    launch: Launch,
    port: u16,
    group: Option<Group>,
    console: Console,
    home: Option<TempDir>,
    http: Http,
    _stage: Option<Stage>,
}

/// The two processes of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The sidecar.
    Sidecar,
    /// The app beside it.
    App,
}

impl Launch {
    /// The wallet, from its manifest.
    pub fn wallet() -> Self {
        let options = vec!["-f".to_owned(), wallet_manifest().display().to_string()];
        Self {
            options,
            command: Vec::new(),
            replicas: 4,
            manifest: None,
            alone: true,
        }
    }

    /// The wallet with more lines below `spec`, each indented by two spaces.
    ///
    /// # Panics
    /// When its manifest cannot be read.
    pub fn wallet_with(spec: &str) -> Self {
        let manifest = std::fs::read_to_string(wallet_manifest());
        let manifest = manifest.expect("the wallet has a manifest");
        Self {
            options: Vec::new(),
            manifest: Some(format!("{manifest}{spec}\n")),
            ..Self::wallet()
        }
    }

    /// Other stories may run meanwhile: for a service that runs for long and is not in a hurry.
    #[must_use]
    pub fn beside_others(self) -> Self {
        Self {
            alone: false,
            ..self
        }
    }

    /// Any command, as behind `byz run --`.
    pub fn command(words: &[&str]) -> Self {
        let command = words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            command,
            options: Vec::new(),
            ..Self::wallet()
        }
    }

    /// Makes a replica misbehave.
    #[must_use]
    pub fn with_fault(self, replica: u8, fault: Fault) -> Self {
        self.with_options(&["--fault", &format!("{replica}={fault}")])
    }

    /// Adds options of `byz run`.
    #[must_use]
    pub fn with_options(mut self, options: &[&str]) -> Self {
        self.options
            .extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// Starts it on free ports in a new directory, and waits until every gateway is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start(mut self) -> Service {
        let alone = self.alone;
        let stage = tokio::task::spawn_blocking(move || alone.then(Stage::enter)).await;
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        if let Some(text) = &self.manifest {
            let path = home.path().join("byzantineservice.yaml");
            std::fs::write(&path, text).expect("a temporary file can be written");
            self = self.with_options(&["-f", &path.display().to_string()]);
        }
        let mut service = Service {
            port: free_block(u16::from(self.replicas) * PORT_STEP),
            launch: self,
            group: None,
            console: Console::new(&home.path().join("console")),
            home: Some(home),
            http: Http::default(),
            _stage: stage.expect("the lock is taken"),
        };
        service.start().await;
        service
    }
}

impl Service {
    /// Starts it again after [`Service::stop`] or [`Service::kill_everything`].
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start(&mut self) {
        self.start_without(None).await;
    }

    /// The same where one replica will not come up.
    ///
    /// # Panics
    /// When another one does not become ready.
    pub async fn start_without(&mut self, missing: Option<u8>) {
        let mut command = self.guarded();
        command
            .args(["run", "--port", &self.port.to_string(), "--data"])
            .arg(self.data());
        command.args(&self.launch.options).env("NO_COLOR", "1");
        if !self.launch.command.is_empty() {
            command.arg("--").args(&self.launch.command);
        }
        self.console.attach(&mut command);
        self.group = Some(Group::start(&mut command));
        for replica in self.replicas().filter(|replica| Some(*replica) != missing) {
            self.ready(replica).await;
        }
    }

    /// `byz` under a guard that ends it when this test is killed, by whatever signal.
    fn guarded(&self) -> Command {
        let mut command = Command::new(program("byz"));
        command
            .args(["guard", "--pid-file"])
            .arg(self.run_file())
            .arg("--")
            .arg(program("byz"));
        command.stdin(Stdio::piped());
        command
    }

    /// Holds the process id of `byz run`.
    fn run_file(&self) -> PathBuf {
        self.data().with_file_name("run.pid")
    }

    /// Waits until a replica says that clients may come.
    ///
    /// # Panics
    /// When it does not in time, or when `byz run` has ended.
    pub async fn ready(&mut self, replica: u8) {
        let url = format!("{}/readyz", self.administration(replica));
        let what = format!("replica {replica} is ready");
        let (http, console) = (self.http.clone(), &self.console);
        let group = &mut self.group;
        eventually(&what, async || {
            let ended = group.as_mut().and_then(Group::ended);
            assert!(
                ended.is_none(),
                "byz run ended: {ended:?}\n{}",
                console.tail()
            );
            let page = http.get(&url, PATIENCE).await.ok()?;
            (page.status == 200).then_some(())
        })
        .await;
    }

    /// Stops it as Ctrl-C does, and waits until all has ended.
    ///
    /// # Panics
    /// When it does not end, or not well.
    pub async fn stop(&mut self) {
        let Some(mut group) = self.group.take() else {
            return;
        };
        let run = group::in_file(&self.run_file()).expect("byz run is there to be stopped");
        kill(run, Signal::SIGINT).expect("a process of ours takes signals");
        let waited = tokio::task::spawn_blocking(move || group.wait(DEADLINE)).await;
        let status =
            waited.unwrap_or_else(|_| panic!("it does not stop:\n{}", self.console.tail()));
        assert!(
            status.success(),
            "byz run ended with {status}:\n{}",
            self.console.tail()
        );
    }

    /// SIGKILL to every process of the service at once, `byz run` included.
    pub fn kill_everything(&mut self) {
        let Some(group) = self.group.take() else {
            return;
        };
        let running = |part: Part| -> Vec<Pid> {
            self.replicas()
                .filter_map(|replica| self.pid(replica, part))
                .collect()
        };
        let (sidecars, apps) = (running(Part::Sidecar), running(Part::App));
        // An app and all that it started are one group, led by the guard of `byz run`.
        let groups: Vec<Pid> = apps
            .iter()
            .filter_map(|app| getpgid(Some(*app)).ok())
            .collect();
        group.kill();
        // Any of them may have ended by itself a moment ago.
        for sidecar in &sidecars {
            let _ = kill(*sidecar, Signal::SIGKILL);
        }
        for group in groups {
            let _ = killpg(group, Signal::SIGKILL);
        }
        // A killed process holds its ports and locks until the system has taken it apart.
        for process in sidecars.into_iter().chain(apps) {
            group::wait_for_end(process, DEADLINE);
        }
    }

    /// SIGKILL to one process of a replica.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&self, replica: u8, part: Part) {
        self.signal(replica, part, Signal::SIGKILL);
    }

    /// The same, once the process runs again after an earlier kill.
    ///
    /// # Panics
    /// When it does not come back.
    pub async fn kill_when_back(&self, replica: u8, part: Part) {
        let what = format!("the {part:?} of replica {replica} runs");
        let pid = eventually(&what, async || self.pid(replica, part)).await;
        kill(pid, Signal::SIGKILL).expect("our own process can be killed");
    }

    /// Makes a replica's sidecar stand still, as a machine without memory would.
    ///
    /// # Panics
    /// When it is not running.
    pub fn pause(&self, replica: u8) {
        self.signal(replica, Part::Sidecar, Signal::SIGSTOP);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it is not running.
    pub fn resume(&self, replica: u8) {
        self.signal(replica, Part::Sidecar, Signal::SIGCONT);
    }

    fn signal(&self, replica: u8, part: Part, signal: Signal) {
        let pid = self.pid(replica, part);
        let pid = pid.unwrap_or_else(|| panic!("replica {replica} has a running {part:?}"));
        kill(pid, signal).expect("a process of ours takes signals");
    }

    /// The process id of one process of a replica, while it is there.
    pub fn pid(&self, replica: u8, part: Part) -> Option<Pid> {
        let directory = self.data().join(format!("replica-{replica}"));
        match part {
            Part::Sidecar => group::with_argument(&directory.join("sidecar.json")),
            Part::App => group::in_file(&directory.join("app.pid")),
        }
    }

    /// The replicas' numbers.
    pub fn replicas(&self) -> std::ops::Range<u8> {
        0..self.launch.replicas
    }

    /// The data directory.
    ///
    /// # Panics
    /// Never: the directory lasts as long as the service.
    pub fn data(&self) -> PathBuf {
        let home = self.home.as_ref().map(TempDir::path);
        home.expect("the directory lasts as long as the service")
            .join("data")
    }

    /// The policy file, which a user copies.
    pub fn policy_file(&self) -> PathBuf {
        self.data().join("policy")
    }

    /// The policy.
    ///
    /// # Panics
    /// When its file is missing or damaged.
    pub fn policy(&self) -> Policy {
        let text = std::fs::read_to_string(self.policy_file()).expect("there is a policy file");
        Policy::parse(&text).expect("the policy file holds a policy")
    }

    /// A client of all gateways.
    pub fn client(&self) -> Arc<Client> {
        let gateways = self
            .replicas()
            .map(|replica| self.gateway(replica))
            .collect();
        Arc::new(Client::new(gateways, self.policy()))
    }

    /// The address of a gateway.
    pub fn gateway_address(&self, replica: u8) -> SocketAddr {
        SocketAddr::from((
            Ipv4Addr::LOCALHOST,
            self.port + PORT_STEP * u16::from(replica),
        ))
    }

    /// The URL of a gateway.
    pub fn gateway(&self, replica: u8) -> String {
        format!("http://{}", self.gateway_address(replica))
    }

    /// The first gateway's port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    fn administration(&self, replica: u8) -> String {
        let port = self.port + PORT_STEP * u16::from(replica) + ADMINISTRATION;
        format!("http://127.0.0.1:{port}")
    }

    /// What a replica says of itself; none while it does not answer.
    ///
    /// # Panics
    /// When the page is no status.
    pub async fn status(&self, replica: u8) -> Option<Status> {
        let url = format!("{}/status", self.administration(replica));
        let page = self.http.get(&url, PATIENCE).await.ok()?;
        Some(serde_json::from_slice(&page.body).expect("/status is what the type says"))
    }

    /// A replica's metrics; none while it does not answer.
    pub async fn metrics(&self, replica: u8) -> Option<Metrics> {
        let url = format!("{}/metrics", self.administration(replica));
        let page = self.http.get(&url, PATIENCE).await.ok()?;
        Some(Metrics::new(page.text()))
    }

    /// What replicas other than `except` noticed: observer, kind, and whom it is about.
    pub async fn observed(&self, except: Option<u8>) -> Vec<(u8, ObservationKind, Option<u8>)> {
        let mut observed = Vec::new();
        for replica in self.replicas().filter(|replica| Some(*replica) != except) {
            let status = self.status(replica).await.unwrap_or_default();
            let seen = status.observations.iter();
            observed.extend(seen.map(|seen| (replica, seen.kind, seen.replica)));
        }
        observed
    }

    /// What `byz run` has printed so far.
    pub fn console(&self) -> String {
        self.console.text()
    }

    /// All log files of all processes.
    pub fn logs(&self) -> String {
        let directories = self
            .replicas()
            .map(|replica| self.data().join(format!("replica-{replica}")));
        let logs = directories.flat_map(|directory| {
            ["sidecar.log", "app.log"].map(|name| read(&directory.join(name)))
        });
        logs.collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill_everything();
        if std::thread::panicking()
            && let Some(home) = self.home.take()
        {
            // What is on disk may be all that is left of a defect that shows once in a while.
            let kept = home.keep();
            eprintln!("the service's files are kept in {}", kept.display());
            eprintln!("the last lines of byz run:\n{}", self.console.tail());
        }
    }
}

fn wallet_manifest() -> PathBuf {
    repository().join("examples/wallet/byzantineservice.yaml")
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
