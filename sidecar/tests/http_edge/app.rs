//! An app that counts, and can be told to crash, hang or wait; and an executor in front of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::{
    Execution, ExecutionItem, KeySource, Outcome, Request, Sequence, UnixMillis, Verdict,
};
use byzantine_proof::{Digest, ResponseLeaf};
use byzantine_sidecar::Honest;
use byzantine_sidecar::config::{App as AppConfig, AppState, StateKind};
use byzantine_sidecar::executor::{Executor, ExecutorParts};
use byzantine_sidecar::ledger::LedgerError;
use byzantine_sidecar::snapshots::Snapshots;
use byzantine_sidecar::submission::{AppHealth, ExecutorPort, History, OutcomeSender};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::service::{MAX_BODY, responder};

/// `app.timeout` in these tests.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(300);

/// What an app has in memory, or on its disk.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The ordinals executed, in order.
    pub(crate) ordinals: Vec<u64>,
    /// Calls that change something.
    pub(crate) count: u64,
    /// The last ordinal and what it was answered.
    last: (u64, String),
    /// Break the connection at this ordinal once: before or after executing.
    pub(crate) break_before: Option<u64>,
    pub(crate) break_after: Option<u64>,
    /// Never answer this ordinal, and note that it arrived.
    pub(crate) stall_at: Option<u64>,
    pub(crate) stalled: bool,
    /// Connections accepted.
    pub(crate) connections: usize,
    /// Headers of the last call.
    pub(crate) seen: Option<http::HeaderMap>,
}

pub(crate) type Shared = Arc<Mutex<State>>;

/// A running process of the app.
pub(crate) struct Process(JoinHandle<()>);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Process {
    pub(crate) async fn start(address: SocketAddr, state: &Shared) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (state, barrier) = (Arc::clone(state), Arc::new(Barrier::new(2)));
        Self(tokio::spawn(async move {
            // Dropped with the task: a killed process closes its connections.
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                state.lock().unwrap().connections += 1;
                let (state, barrier) = (Arc::clone(&state), Arc::clone(&barrier));
                let service = service_fn(move |request| {
                    answer(Arc::clone(&state), Arc::clone(&barrier), request)
                });
                let http = hyper::server::conn::http1::Builder::new();
                connections.spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        }))
    }

    /// Stops it and waits until its connections are closed.
    pub(crate) async fn kill(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

/// An error makes hyper close the connection without a response.
async fn answer(
    state: Shared,
    barrier: Arc<Barrier>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let _ = body.collect().await;
    match head.uri.path() {
        "/healthz" => return Ok(Response::new(Full::default())),
        "/applied" => {
            let json = format!("{{\"ordinal\":{}}}", state.lock().unwrap().last.0);
            return Ok(Response::new(Full::from(json)));
        }
        "/hang" => std::future::pending().await,
        "/meet" => {
            barrier.wait().await;
        }
        _ => {}
    }
    let ordinal = head.headers["byzantine-ordinal"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    if stalls(&state, ordinal) {
        std::future::pending::<()>().await;
    }
    let text = execute(&state, &head, ordinal)?;
    let mut response = Response::new(Full::from(text));
    if head.uri.path() == "/teapot" {
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
    }
    Ok(response)
}

fn stalls(state: &Shared, ordinal: u64) -> bool {
    let mut state = state.lock().unwrap();
    state.stalled |= state.stall_at == Some(ordinal);
    state.stalled
}

fn execute(state: &Shared, head: &http::request::Parts, ordinal: u64) -> std::io::Result<String> {
    let broken = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let mut state = state.lock().unwrap();
    state.seen = Some(head.headers.clone());
    if state.break_before.take_if(|at| *at == ordinal).is_some() {
        return Err(broken());
    }
    // As a durable app does: a call that comes again is answered from the disk.
    if state.last.0 != ordinal {
        state.ordinals.push(ordinal);
        state.count += u64::from(head.method == "POST");
        state.last = (ordinal, state.count.to_string());
    }
    if state.break_after.take_if(|at| *at == ordinal).is_some() {
        return Err(broken());
    }
    Ok(state.last.1.clone())
}

/// All calls handed to the executor.
#[derive(Default)]
struct Calls(Mutex<Vec<Execution>>);

impl History for Calls {
    fn calls_from(&self, sequence: Sequence, limit: usize) -> Result<Vec<Execution>, LedgerError> {
        let calls = self.0.lock().unwrap();
        let later = calls.iter().filter(|call| call.sequence >= sequence);
        Ok(later.take(limit).cloned().collect())
    }

    fn batch_of_call(&self, _: u64) -> Result<Sequence, LedgerError> {
        Ok(Sequence(0))
    }
}

/// An executor, its app, and the driver's ends.
pub(crate) struct Bench {
    pub(crate) address: SocketAddr,
    pub(crate) health: watch::Receiver<AppHealth>,
    pub(crate) diverged: watch::Sender<Option<Sequence>>,
    executions: mpsc::Sender<Execution>,
    outcomes: mpsc::Receiver<(Sequence, Vec<Outcome>)>,
    calls: Arc<Calls>,
    kind: StateKind,
    next: (u64, u64),
    lives: u64,
    directory: TempDir,
    executor: JoinHandle<()>,
}

impl Bench {
    /// An app that is not started yet.
    pub(crate) async fn new(kind: StateKind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (directory, calls) = (tempfile::tempdir().unwrap(), Arc::new(Calls::default()));
        let started = start(kind, address, directory.path(), &calls, Sequence(0));
        let (executions, outcomes, diverged, health, executor) = started;
        let (next, lives) = ((1, 1), 0);
        Self {
            address,
            health,
            diverged,
            executions,
            outcomes,
            calls,
            kind,
            next,
            lives,
            directory,
            executor,
        }
    }

    /// Starts the app as `byz run` does: a fresh number first.
    pub(crate) async fn start_app(&mut self, state: &Shared) -> Process {
        self.lives += 1;
        std::fs::write(
            self.directory.path().join("instance"),
            self.lives.to_string(),
        )
        .unwrap();
        Process::start(self.address, state).await
    }

    /// As if the machine had lost power before the outcomes reached the disk.
    pub(crate) fn forget_outcomes(&mut self) {
        std::fs::remove_file(self.directory.path().join("outcomes")).unwrap();
    }

    /// Restarts the sidecar's executor alone.
    pub(crate) fn restart_executor(&mut self) {
        self.executor.abort();
        let last = Sequence(self.next.0 - 1);
        let path = self.directory.path();
        let started = start(self.kind, self.address, path, &self.calls, last);
        (
            self.executions,
            self.outcomes,
            self.diverged,
            self.health,
            self.executor,
        ) = started;
    }

    /// A batch of calls, `METHOD target` each.
    pub(crate) fn batch(&mut self, calls: &[&str]) -> Execution {
        let (sequence, mut ordinal) = self.next;
        let items = calls.iter().zip(0..).map(|(call, index)| {
            let (method, target) = call.split_once(' ').unwrap();
            let verdict = Verdict::Call { ordinal };
            ordinal += 1;
            item(index, method, target, verdict)
        });
        let items = items.collect();
        self.next = (sequence + 1, ordinal);
        let (time, batch) = (
            UnixMillis(1000 * sequence),
            Digest::of(&sequence.to_be_bytes()),
        );
        Execution {
            sequence: Sequence(sequence),
            time,
            batch,
            items,
            recorded: None,
        }
    }

    /// Hands a batch over.
    pub(crate) async fn send(&self, execution: Execution) {
        self.calls.0.lock().unwrap().push(execution.clone());
        self.executions.send(execution).await.unwrap();
    }

    /// The next batch's outcomes: `status content`, or `lost`.
    pub(crate) async fn outcomes(&mut self) -> Vec<String> {
        let waiting = tokio::time::timeout(Duration::from_secs(10), self.outcomes.recv());
        let (_, outcomes) = waiting.await.expect("outcomes must come").unwrap();
        outcomes.iter().map(shown).collect()
    }

    /// Runs a batch of calls.
    pub(crate) async fn run(&mut self, calls: &[&str]) -> Vec<String> {
        let execution = self.batch(calls);
        self.send(execution).await;
        self.outcomes().await
    }

    /// Waits until the app's health is announced as wanted.
    pub(crate) async fn until(&mut self, wanted: impl FnMut(&AppHealth) -> bool) {
        let waiting = tokio::time::timeout(Duration::from_secs(10), self.health.wait_for(wanted));
        waiting.await.expect("the health must change").unwrap();
    }
}

pub(crate) fn item(index: u32, method: &str, target: &str, verdict: Verdict) -> ExecutionItem {
    let request = Request {
        method: method.into(),
        target: target.into(),
        headers: vec![("x-a".into(), b"1".to_vec())],
        body: Bytes::new(),
        key: format!("k-{target}"),
        key_source: KeySource::Client,
    };
    ExecutionItem {
        index,
        request_id: request.id(),
        request,
        verdict,
    }
}

fn shown(outcome: &Outcome) -> String {
    let Outcome::Answer(answer) = outcome else {
        return "lost".to_owned();
    };
    let leaf = ResponseLeaf::parse(std::str::from_utf8(&answer.leaf).unwrap()).unwrap();
    let content: String = String::from_utf8_lossy(&answer.content)
        .chars()
        .take(12)
        .collect();
    format!("{} {content}", leaf.status)
}

type Started = (
    mpsc::Sender<Execution>,
    mpsc::Receiver<(Sequence, Vec<Outcome>)>,
    watch::Sender<Option<Sequence>>,
    watch::Receiver<AppHealth>,
    JoinHandle<()>,
);

fn start(
    kind: StateKind,
    address: SocketAddr,
    directory: &Path,
    calls: &Arc<Calls>,
    last: Sequence,
) -> Started {
    let (executions, received) = mpsc::channel(64);
    let (sender, outcomes) = OutcomeSender::channel(64);
    let (diverged, seen) = watch::channel(None);
    let (health, announced) = watch::channel(AppHealth::default());
    let state = AppState {
        kind,
        applied_path: Some("/applied".into()),
        snapshot_path: None,
    };
    let history: Arc<dyn History> = Arc::<Calls>::clone(calls);
    let executor = Executor::new(ExecutorParts {
        port: ExecutorPort {
            executions: received,
            outcomes: sender,
            diverged: seen,
        },
        history,
        snapshots: Arc::new(Snapshots::open(directory.join("snapshots")).unwrap()),
        checkpoint_interval: 8,
        responder: responder(),
        app: AppConfig {
            address: address.to_string(),
            instance_file: Some(directory.join("instance")),
            health_path: "/healthz".into(),
            timeout: TIMEOUT,
            state,
        },
        host: "wallet.bank".into(),
        max_body_bytes: MAX_BODY,
        life_record: directory.join("app-life"),
        outcome_log: directory.join("outcomes"),
        health,
        interposer: Arc::new(Honest),
        observer: Box::new(|_| {}),
    });
    let running = tokio::spawn(executor.starting_after(last).run());
    (executions, outcomes, diverged, announced, running)
}
