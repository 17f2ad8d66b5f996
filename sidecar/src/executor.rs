//! Runs ordered requests on the app, strictly in order, and makes answers of its responses.
//!
//! The app is only ever sent a call after all calls before it. What this replica cannot know - a
//! response lost in a crash, or too late - is `Lost`, never guessed: the others settle it, and an
//! app whose state has become doubtful is brought up to date or rebuilt before it counts again.

mod bulk;
mod client;
mod failure;
mod life;
mod listening;
mod outcome_log;
mod recovery;
mod snapshotting;
mod stamp;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use byzantine_consensus::{Execution, ExecutionItem, Outcome, Sequence, Verdict};
use http_body_util::Full;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::canonical::is_safe;
use crate::config::{App, StateKind};
use crate::interposer::Interposer;
use crate::respond::{AppBody, AppResponse, Place, Responder};
use crate::snapshots::Snapshots;
use crate::submission::{AppHealth, ExecutorPort, History};

use client::AppClient;
use failure::CallFailure;
use life::{Life, Lives};
use outcome_log::OutcomeLog;
use recovery::{Readiness, Standing};
use stamp::Stamp;

pub use snapshotting::SNAPSHOT_CHECKPOINTS;

/// The most safe requests on the app at once.
const MAX_CONCURRENT: usize = 16;

/// How often a call that the app does not survive is sent.
const MAX_ATTEMPTS: usize = 3;

/// What an executor is made of.
pub struct ExecutorParts {
    /// Its two ends to the driver.
    pub port: ExecutorPort,
    /// Every call ever handed over, as far back as it is kept.
    pub history: Arc<dyn History>,
    /// Snapshots of the app's state; none are made without `app.state.snapshotPath`.
    pub snapshots: Arc<Snapshots>,
    /// K.
    pub checkpoint_interval: u64,
    /// Makes answers of responses.
    pub responder: Responder,
    /// The app.
    pub app: App,
    /// What the app sees as `Host`: `<name>.<namespace>`.
    pub host: String,
    /// The largest response body in bytes.
    pub max_body_bytes: usize,
    /// A file of the executor's own, in the sidecar's data directory: which start of the app was
    /// used last.
    pub life_record: PathBuf,
    /// Another one: the outcomes of the batch that is being executed.
    pub outcome_log: PathBuf,
    /// Where the app's health is announced.
    pub health: watch::Sender<AppHealth>,
    /// Alters the app's responses in tests; honest otherwise.
    pub interposer: Arc<dyn Interposer>,
    /// Told how long each call took.
    pub observer: Box<dyn Fn(Duration) + Send + Sync>,
}

/// The executor of one replica.
pub struct Executor {
    port: ExecutorPort,
    history: Arc<dyn History>,
    snapshots: Arc<Snapshots>,
    snapshot_interval: u64,
    responder: Responder,
    app: App,
    client: Arc<AppClient>,
    lives: Arc<Lives>,
    health: watch::Sender<AppHealth>,
    interposer: Arc<dyn Interposer>,
    observer: Box<dyn Fn(Duration) + Send + Sync>,
    outcome_log: PathBuf,
    standing: Standing,
    /// The batch being executed, or else the last one that was.
    executing: Sequence,
    /// The last batch that called the app.
    last_called: Sequence,
    /// Calls that the app did not survive or answer, however often.
    given_up: BTreeSet<u64>,
    /// What diverged before this batch was another state of the app.
    rebuilt_from: Sequence,
    /// When an app that is up to date was last asked for its health.
    health_checked: Instant,
    /// A call whose replay ran out of time, and how often.
    stumble: (u64, usize),
    /// A durable app that has executed this call has a wrong state on its disk.
    diverged_at: Option<u64>,
}

impl Executor {
    /// An executor that has not looked at the app yet.
    pub fn new(parts: ExecutorParts) -> Self {
        let ExecutorParts {
            port,
            history,
            snapshots,
            checkpoint_interval,
            responder,
            app,
            health,
            interposer,
            observer,
            outcome_log,
            ..
        } = parts;
        let address = app.address.clone();
        let client = AppClient::new(address, parts.host, app.timeout, parts.max_body_bytes);
        let lives = Lives::of(&app, parts.life_record);
        Self {
            port,
            history,
            snapshots,
            snapshot_interval: checkpoint_interval.saturating_mul(SNAPSHOT_CHECKPOINTS),
            responder,
            app,
            client: Arc::new(client),
            lives: Arc::new(lives),
            health,
            interposer,
            observer,
            outcome_log,
            standing: Standing::Unknown,
            executing: Sequence(0),
            last_called: Sequence(0),
            given_up: BTreeSet::new(),
            rebuilt_from: Sequence(0),
            health_checked: Instant::now(),
            stumble: (0, 0),
            diverged_at: None,
        }
    }

    /// Names the last batch in the ledger, behind which the driver goes on: the app is brought up
    /// to there at the start instead of with the first batch.
    #[must_use]
    pub fn starting_after(self, last: Sequence) -> Self {
        Self {
            executing: last,
            last_called: last,
            ..self
        }
    }

    /// Runs until the driver stops, or the disk fails: nothing may be executed unnoted.
    pub async fn run(mut self) {
        if let Err(error) = self.run_noting().await {
            let path = self.outcome_log.display();
            tracing::error!(%error, %path, "outcomes cannot be noted: nothing is executed any \
                more; make room on the disk or repair it, then restart this replica");
        }
    }

    async fn run_noting(&mut self) -> io::Result<()> {
        let mut log = OutcomeLog::open(&self.outcome_log)?;
        self.bring_up_to_date().await;
        let mut looks = tokio::time::interval(self.lives.look_interval());
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                execution = self.port.executions.recv() => {
                    let Some(execution) = execution else { return Ok(()) };
                    if !self.take(execution, &mut log).await? {
                        return Ok(());
                    }
                }
                Ok(()) = self.port.diverged.changed() => self.note_divergence().await,
                _ = looks.tick() => self.look_at_app().await,
            }
        }
    }

    /// Runs a batch and reports it; false when the driver has stopped. What was recorded before a
    /// restart is not reported again: the app gets it with the next batch if its state lacks it.
    async fn take(&mut self, execution: Execution, log: &mut OutcomeLog) -> io::Result<bool> {
        let sequence = execution.sequence;
        self.snapshot_before(&execution).await;
        self.executing = sequence;
        if execution.recorded.is_some() {
            return Ok(true);
        }
        let outcomes = self.execute(execution, log).await?;
        Ok(self.port.outcomes.send(sequence, outcomes).await)
    }

    /// One outcome per item, in order; each is noted before the next call is sent, and what a
    /// killed process had noted is not asked for again.
    async fn execute(
        &mut self,
        execution: Execution,
        log: &mut OutcomeLog,
    ) -> io::Result<Vec<Outcome>> {
        if self.port.diverged.has_changed().unwrap_or(false) {
            self.note_divergence().await;
        }
        let mut outcomes = log.begin(execution.sequence)?;
        outcomes.truncate(execution.items.len());
        while let Some(item) = execution.items.get(outcomes.len()) {
            let rest = &execution.items[outcomes.len()..];
            let together = self.concurrent(&execution, rest);
            let next = if together > 1 {
                self.perform_together(&execution, &rest[..together]).await
            } else {
                vec![self.perform(&execution, item).await]
            };
            for outcome in next {
                log.note(&outcome)?;
                outcomes.push(outcome);
            }
        }
        Ok(outcomes)
    }

    /// How many items at the front may run at once. Durable apps note the ordinal of every call,
    /// so they get one at a time.
    fn concurrent(&self, execution: &Execution, items: &[ExecutionItem]) -> usize {
        if self.app.state.kind == StateKind::Durable {
            return 1;
        }
        let safe = |item: &&ExecutionItem| {
            let request = &item.request;
            let called = ordinal(item).is_some() && is_safe(&request.method);
            called
                && self
                    .responder
                    .admit(place(execution, item), request)
                    .is_ok()
        };
        items.iter().take(MAX_CONCURRENT).take_while(safe).count()
    }

    /// Runs one item.
    async fn perform(&mut self, execution: &Execution, item: &ExecutionItem) -> Outcome {
        let place = place(execution, item);
        let ordinal = match item.verdict {
            Verdict::Call { ordinal } => ordinal,
            Verdict::Reused => {
                return Outcome::Answer(self.responder.reused(place, &item.request));
            }
            Verdict::Limit(limit) => {
                return Outcome::Answer(self.responder.limited(place, &item.request, limit));
            }
        };
        if let Err(answer) = self.responder.admit(place, &item.request) {
            self.skip(ordinal);
            return Outcome::Answer(*answer);
        }
        let mut attempts = 0;
        while attempts < MAX_ATTEMPTS {
            let Readiness::Send(life) = self.bring_to(ordinal).await else {
                return Outcome::Lost;
            };
            let Some(request) = self.stamped(execution, item, ordinal) else {
                break;
            };
            let result = self.call(request, &life).await;
            match self.conclude(execution, item, life, ordinal, result).await {
                Some(outcome) => return outcome,
                None => attempts += usize::from(self.is_in_doubt()),
            }
        }
        self.give_up(ordinal);
        self.skip(ordinal);
        Outcome::Lost
    }

    /// What a call's result means; `None` when it is to be sent again.
    async fn conclude(
        &mut self,
        execution: &Execution,
        item: &ExecutionItem,
        life: Life,
        ordinal: u64,
        result: Result<AppResponse, CallFailure>,
    ) -> Option<Outcome> {
        let place = place(execution, item);
        match result {
            Ok(response) => {
                self.applied(life, ordinal);
                let response = self.interposed(response);
                Some(Outcome::Answer(self.responder.answer(
                    place,
                    &item.request,
                    response,
                )))
            }
            Err(CallFailure::Unreadable(_)) => {
                self.applied(life, ordinal);
                Some(Outcome::Answer(
                    self.responder.unreadable(place, &item.request),
                ))
            }
            Err(failure) => {
                tracing::warn!(ordinal, %failure, "a call to the app failed");
                self.doubt(life, ordinal, is_safe(&item.request.method), &failure)
                    .await;
                matches!(failure, CallFailure::TimedOut).then_some(Outcome::Lost)
            }
        }
    }

    /// Runs consecutive safe items at once; those that fail are then run one by one.
    async fn perform_together(
        &mut self,
        execution: &Execution,
        items: &[ExecutionItem],
    ) -> Vec<Outcome> {
        let first = items.iter().find_map(ordinal).unwrap_or_default();
        let Readiness::Send(life) = self.bring_to(first).await else {
            return vec![Outcome::Lost; items.len()];
        };
        let results = self.call_together(execution, items, &life).await;
        let mut outcomes = Vec::with_capacity(items.len());
        for (item, result) in items.iter().zip(results) {
            let number = ordinal(item).unwrap_or_default();
            let concluded = match result {
                Some(result) if !matches!(self.standing, Standing::Unknown) => {
                    self.conclude(execution, item, life.clone(), number, result)
                        .await
                }
                _ => None,
            };
            outcomes.push(match concluded {
                Some(outcome) => outcome,
                None => self.perform(execution, item).await,
            });
        }
        outcomes
    }

    /// The results, `None` where there is none for whatever reason.
    async fn call_together(
        &self,
        execution: &Execution,
        items: &[ExecutionItem],
        life: &Life,
    ) -> Vec<Option<Result<AppResponse, CallFailure>>> {
        let started = Instant::now();
        let mut calls = JoinSet::new();
        for (position, item) in items.iter().enumerate() {
            let request = ordinal(item).and_then(|number| self.stamped(execution, item, number));
            let Some(request) = request else { continue };
            let (client, lives) = (Arc::clone(&self.client), Arc::clone(&self.lives));
            let life = life.clone();
            calls.spawn(async move { (position, client.call(request, &lives, &life).await) });
        }
        let mut results: Vec<_> = items.iter().map(|_| None).collect();
        while let Some(done) = calls.join_next().await {
            if let Ok((position, result)) = done {
                results[position] = Some(result);
            }
        }
        (self.observer)(started.elapsed());
        results
    }

    async fn call(
        &self,
        request: http::Request<Full<Bytes>>,
        life: &Life,
    ) -> Result<AppResponse, CallFailure> {
        let started = Instant::now();
        let response = self.client.call(request, &self.lives, life).await;
        (self.observer)(started.elapsed());
        response
    }

    fn stamped(
        &self,
        execution: &Execution,
        item: &ExecutionItem,
        ordinal: u64,
    ) -> Option<http::Request<Full<Bytes>>> {
        Stamp::new(execution, item.index, ordinal).request(self.client.host(), &item.request)
    }

    fn interposed(&self, mut response: AppResponse) -> AppResponse {
        if let AppBody::Whole(body) = &mut response.body {
            let (status, headers) = (&mut response.status, &mut response.headers);
            self.interposer.application_response(status, headers, body);
        }
        response
    }
}

/// The call's number, if the item is one.
fn ordinal(item: &ExecutionItem) -> Option<u64> {
    match item.verdict {
        Verdict::Call { ordinal } => Some(ordinal),
        Verdict::Reused | Verdict::Limit(_) => None,
    }
}

fn place(execution: &Execution, item: &ExecutionItem) -> Place {
    Place {
        sequence: execution.sequence,
        index: item.index,
        time: execution.time,
    }
}
