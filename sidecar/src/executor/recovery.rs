//! Bringing the app to where the next call finds it: every earlier call executed, exactly once.
//!
//! `None` needs nothing. `Memory` is rebuilt in a fresh process, from the newest snapshot if it
//! makes them, by replaying the calls since; a process whose state is in doubt is never used again.
//! `Durable` says what it applied and goes on there, after a snapshot where it has lost its data.

use std::sync::Arc;
use std::time::{Duration, Instant};

use byzantine_consensus::{Execution, Sequence};
use serde::Deserialize;

use super::failure::{CallFailure, Setback};
use super::life::Life;
use super::{Executor, MAX_ATTEMPTS, ordinal, place};
use crate::canonical::is_safe;
use crate::config::StateKind;
use crate::ledger::LedgerError;
use crate::submission::{AppHealth, Diverged};

/// How long to wait before a silent app is asked again, first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often an idle app that is up to date is asked for its health.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// Batches read from the ledger at a time.
const REPLAYED_BATCHES: usize = 32;

/// The most calls that are left out.
const MAX_GIVEN_UP: usize = 1024;

/// A durable app that is further ahead has the data of another service.
const MAX_AHEAD: u64 = 64 * 1024;

/// What is known of the app's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Unknown,
    /// This life has executed the calls up to `applied`.
    Current {
        /// Which start of the app.
        life: Life,
        /// The last call executed.
        applied: u64,
    },
    /// This life may or may not have executed a call. If it is dead, the next one is fresh.
    Doubtful {
        /// Which start of the app.
        life: Life,
    },
    /// The state of this life is wrong or unknowable: only another one can be used.
    Spoiled {
        /// Which start of the app.
        life: Life,
    },
}

/// Whether a call may be sent.
pub(super) enum Readiness {
    /// Yes, to this life.
    Send(Life),
    /// No: this replica cannot know the answer.
    Lost,
}

/// What a durable app serves at `appliedPath`.
#[derive(Deserialize)]
struct Applied {
    ordinal: u64,
}

impl Executor {
    /// A call was executed.
    pub(super) fn applied(&mut self, life: Life, ordinal: u64) {
        self.standing = Standing::Current {
            life,
            applied: ordinal,
        };
    }

    /// A call number that is not sent counts as executed.
    pub(super) fn skip(&mut self, ordinal: u64) {
        if let Standing::Current { applied, .. } = &mut self.standing
            && *applied + 1 == ordinal
        {
            *applied = ordinal;
        }
    }

    /// Whether the last call may or may not have been executed.
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(self.standing, Standing::Doubtful { .. } | Standing::Unknown)
    }

    /// A call failed: what that says about the app. Waits for one that is down.
    pub(super) async fn doubt(
        &mut self,
        life: Life,
        ordinal: u64,
        safe: bool,
        failure: &CallFailure,
    ) {
        if !failure.may_have_run() {
            self.note_down(failure);
            self.wait_until_up().await;
            return;
        }
        let timed_out = matches!(failure, CallFailure::TimedOut);
        match self.app.state.kind {
            StateKind::None | StateKind::Memory if safe && timed_out => self.applied(life, ordinal),
            StateKind::Memory if !safe => self.standing = Standing::Doubtful { life },
            _ => self.standing = Standing::Unknown,
        }
    }

    /// Without an instance file an app that is down will be another one.
    fn note_down(&self, failure: &CallFailure) {
        if matches!(failure, CallFailure::Unreachable { .. }) {
            self.lives.note_outage();
        }
    }

    /// Makes sure that the app has executed every call before `ordinal` and not this one.
    pub(super) async fn bring_to(&mut self, ordinal: u64) -> Readiness {
        loop {
            let present = self.lives.recent();
            match &self.standing {
                Standing::Current { life, applied } if Some(life) == present.as_ref() => {
                    let (life, applied) = (life.clone(), *applied);
                    if let Some(readiness) = self.step_to(life, applied, ordinal).await {
                        return readiness;
                    }
                }
                Standing::Spoiled { life } if present.as_ref().is_none_or(|now| now == life) => {
                    return Readiness::Lost;
                }
                _ => self.reconcile(ordinal).await,
            }
        }
    }

    /// From a known standing to just before `ordinal`; `None` when there is more to do.
    async fn step_to(&mut self, life: Life, applied: u64, ordinal: u64) -> Option<Readiness> {
        let kind = self.app.state.kind;
        let sent_again = kind == StateKind::Durable && applied == ordinal;
        if kind == StateKind::None || applied + 1 == ordinal || sent_again {
            self.announce(true, false, "");
            return Some(Readiness::Send(life));
        }
        if applied < ordinal {
            self.replay(&life, applied + 1, ordinal).await;
            return None;
        }
        // It was executed in an earlier life of this sidecar, and the answer went with that.
        if applied - ordinal > MAX_AHEAD && !self.is_state_of_others(applied) {
            self.refuse_foreign(life, applied, ordinal);
        }
        Some(Readiness::Lost)
    }

    /// Whether the app was given the state of replicas that are ahead of this one.
    fn is_state_of_others(&self, applied: u64) -> bool {
        let newest = self.snapshots.newest_first().into_iter().next();
        newest.is_some_and(|newest| applied.saturating_sub(newest.manifest.ordinal) <= MAX_AHEAD)
    }

    /// At the start: everything that was ever executed.
    pub(super) async fn bring_up_to_date(&mut self) {
        self.reconcile(u64::MAX).await;
    }

    /// From whatever is known to `Current`, with the calls before `end` executed, or `Spoiled`.
    async fn reconcile(&mut self, end: u64) {
        self.welcome_new_life();
        let life = self.wait_until_up().await;
        match self.app.state.kind {
            StateKind::None => self.applied(life, 0),
            StateKind::Memory => self.reconcile_memory(life, end).await,
            StateKind::Durable => self.reconcile_durable(life, end).await,
        }
        if matches!(self.standing, Standing::Current { .. }) {
            self.announce(true, false, "");
        }
    }

    async fn reconcile_memory(&mut self, life: Life, end: u64) {
        let used = match &self.standing {
            Standing::Doubtful { life: old } | Standing::Spoiled { life: old } => *old == life,
            Standing::Current { life: old, .. } if *old == life => return,
            Standing::Current { .. } => false,
            Standing::Unknown => self.lives.may_have_been_used(&life),
        };
        if used {
            self.spoil(
                life,
                "This start of the app may have executed calls whose answers are unknown here. \
                 Restart the app: it is rebuilt by replay.",
            );
            return;
        }
        tracing::info!("a new start of the app: it is rebuilt");
        self.lives.mark_used(&life);
        self.rebuilt_from = self.executing;
        self.applied(life.clone(), 0);
        self.rebuild(&life, end).await;
    }

    async fn reconcile_durable(&mut self, life: Life, end: u64) {
        let applied = match self.ask_applied().await {
            Ok(applied) => applied,
            Err(detail) => {
                self.announce(false, false, &detail);
                tokio::time::sleep(LONGEST_PAUSE).await;
                return;
            }
        };
        match self.diverged_at {
            Some(ordinal) if applied >= ordinal => {
                let detail = format!(
                    "The app's own data differ from the other replicas' since call {ordinal}. \
                    Take its data away and start it again: it is rebuilt by replay."
                );
                tracing::error!(detail, "the app cannot be used with these data");
                self.standing = Standing::Spoiled { life };
                self.publish(AppHealth {
                    diverged: Some(Diverged::Data),
                    detail,
                    ..AppHealth::default()
                });
            }
            _ => {
                self.diverged_at = None;
                self.applied(life.clone(), applied);
                self.rebuild(&life, end).await;
            }
        }
    }

    /// From a snapshot, if one is ahead of the app, and by replaying what came after.
    async fn rebuild(&mut self, life: &Life, end: u64) {
        if let Standing::Current { applied, .. } = self.standing {
            self.restore(life, applied).await;
        }
        if let Standing::Current { applied, .. } = self.standing {
            self.replay(life, applied + 1, end).await;
        }
    }

    pub(super) async fn ask_applied(&self) -> Result<u64, String> {
        let path = self.app.state.applied_path.as_deref().unwrap_or_default();
        let refused = |what: String| {
            format!(
                "GET {path} (app.state.appliedPath) should answer {{\"ordinal\": N}}, but {what}."
            )
        };
        let (status, body) = self
            .client
            .probe(path)
            .await
            .map_err(|failure| refused(failure.to_string()))?;
        if !status.is_success() {
            return Err(refused(format!("its status is {status}")));
        }
        let applied: Result<Applied, _> = serde_json::from_slice(&body);
        applied
            .map(|applied| applied.ordinal)
            .map_err(|error| refused(error.to_string()))
    }

    /// Sends the calls from `first` up to, without, `end`, and notes how far that went.
    async fn replay(&mut self, life: &Life, first: u64, end: u64) {
        if let Err(setback) = self.try_replay(life, first, end).await {
            if let Setback::History(LedgerError::Pruned { first, .. }) = setback {
                return self.await_snapshot(life, Sequence(first)).await;
            }
            tracing::warn!(%setback, "bringing the app up to date failed");
            self.fall_back(life.clone(), &setback).await;
        } else if let (Standing::Current { applied, .. }, true) =
            (&mut self.standing, end < u64::MAX)
        {
            // Numbers without a call to send count as executed.
            *applied = (*applied).max(end - 1);
        }
    }

    /// The calls before `first` are not kept any more: the others have snapshots. Waits for one, or
    /// for another start of the app.
    async fn await_snapshot(&mut self, life: &Life, first: Sequence) {
        let mut changes = self.snapshots.changes();
        let detail = if self.app.state.snapshot_path.is_some() {
            "It is rebuilt from a snapshot, which comes from the other replicas."
        } else {
            "Earlier calls are not kept any more, and without app.state.snapshotPath there is \
             nothing else to rebuild it from. Give this replica a copy of the others' app data."
        };
        while let Standing::Current { applied, .. } = self.standing {
            changes.mark_unchanged();
            self.restore(life, applied).await;
            let now = &self.standing;
            if matches!(now, Standing::Current { applied: now, .. } if *now > applied) {
                self.snapshots.satisfied();
                return;
            }
            if self.lives.current().as_ref() != Some(life) {
                self.standing = Standing::Unknown;
                return;
            }
            self.announce(false, true, detail);
            self.snapshots.want(Sequence(first.0.saturating_sub(1)));
            // In vain is no harm: it is looked at again.
            let _ = tokio::time::timeout(LONGEST_PAUSE, changes.changed()).await;
        }
    }

    async fn fall_back(&mut self, life: Life, setback: &Setback) {
        self.announce(
            false,
            false,
            &format!("Replaying earlier calls failed: {setback}."),
        );
        match setback {
            Setback::Call(failure) if !failure.may_have_run() => {
                self.note_down(failure);
                self.wait_until_up().await;
            }
            _ if self.app.state.kind == StateKind::Memory => {
                self.standing = Standing::Doubtful { life };
            }
            _ => {
                self.standing = Standing::Unknown;
                tokio::time::sleep(LONGEST_PAUSE).await;
            }
        }
    }

    async fn try_replay(&mut self, life: &Life, first: u64, end: u64) -> Result<(), Setback> {
        if first >= end {
            return Ok(());
        }
        let mut sequence = self.batch_of(first).await?;
        while sequence <= self.executing {
            let mut batches = self.read_history(sequence, REPLAYED_BATCHES).await?;
            // What was handed over and not begun yet has its turn later.
            batches.retain(|batch| batch.sequence <= self.executing);
            let Some(last) = batches.last() else { break };
            sequence = last.sequence.next();
            for batch in &batches {
                self.replay_batch(life, batch, first, end).await?;
            }
        }
        Ok(())
    }

    async fn replay_batch(
        &mut self,
        life: &Life,
        batch: &Execution,
        first: u64,
        end: u64,
    ) -> Result<(), Setback> {
        for item in &batch.items {
            let wanted =
                |number: &u64| (first..end).contains(number) && !self.given_up.contains(number);
            let Some(ordinal) = ordinal(item).filter(wanted) else {
                continue;
            };
            let admitted = self
                .responder
                .admit(place(batch, item), &item.request)
                .is_ok();
            let Some(request) = self.stamped(batch, item, ordinal).filter(|_| admitted) else {
                continue;
            };
            self.announce(false, true, "");
            self.snapshots.note_replayed();
            match self.call(request, life).await {
                Ok(_) | Err(CallFailure::Unreadable(_)) => {}
                Err(CallFailure::TimedOut) if is_safe(&item.request.method) => {}
                Err(failure) => {
                    self.note_stumble(ordinal, &failure);
                    return Err(failure.into());
                }
            }
            self.applied(life.clone(), ordinal);
        }
        Ok(())
    }

    /// A call that the app never survives or answers is left out, unless the ledger has an answer.
    fn note_stumble(&mut self, ordinal: u64, failure: &CallFailure) {
        if !failure.may_have_run() {
            return;
        }
        let again = self.stumble.0 == ordinal;
        self.stumble = (ordinal, if again { self.stumble.1 + 1 } else { 1 });
        if self.stumble.1 >= MAX_ATTEMPTS {
            self.give_up(ordinal);
        }
    }

    /// This app will not be sent a call again.
    pub(super) fn give_up(&mut self, ordinal: u64) {
        tracing::warn!(
            ordinal,
            "the app did not survive or answer a call: it is left out"
        );
        self.given_up.insert(ordinal);
        if self.given_up.len() > MAX_GIVEN_UP {
            self.given_up.pop_first();
        }
    }

    async fn read_history(&self, from: Sequence, limit: usize) -> Result<Vec<Execution>, Setback> {
        let history = Arc::clone(&self.history);
        let read = tokio::task::spawn_blocking(move || history.calls_from(from, limit)).await;
        // A panic of the ledger's is its own broken invariant.
        Ok(read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?)
    }

    async fn batch_of(&self, ordinal: u64) -> Result<Sequence, Setback> {
        let history = Arc::clone(&self.history);
        let found = tokio::task::spawn_blocking(move || history.batch_of_call(ordinal)).await;
        // As above.
        Ok(found.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?)
    }

    /// Waits for the app to answer its health path; tells which life does.
    async fn wait_until_up(&mut self) -> Life {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.lives.current();
            let detail = match (self.check_health().await, before) {
                (Ok(()), Some(life)) if self.lives.current().as_ref() == Some(&life) => {
                    return life;
                }
                (Ok(()), Some(_)) => "The app was just started anew.".to_owned(),
                (Ok(()), None) => self.lives.unknown().to_owned(),
                (Err(detail), _) => detail,
            };
            self.announce(false, false, &detail);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn check_health(&self) -> Result<(), String> {
        let path = &self.app.health_path;
        match self.client.probe(path).await {
            Ok((status, _)) if status.is_success() => Ok(()),
            Ok((status, _)) => Err(format!(
                "GET {path} (app.healthPath) answers {status}, not 2xx."
            )),
            Err(failure) => {
                if matches!(failure, CallFailure::Unreachable { .. }) {
                    self.lives.note_outage();
                }
                Err(format!(
                    "GET {path} (app.healthPath) failed: {failure}. Is the app running?"
                ))
            }
        }
    }

    /// An idle app: is it well, was it started anew, can it be used again?
    pub(super) async fn look_at_app(&mut self) {
        let present = self.lives.current();
        match &self.standing {
            Standing::Spoiled { life } if present.as_ref().is_none_or(|now| now == life) => {}
            Standing::Current { life, .. } if present.as_ref() == Some(life) => {
                if self.health_checked.elapsed() < HEALTH_INTERVAL {
                    return;
                }
                match self.check_health().await {
                    Ok(()) => self.announce(true, false, ""),
                    Err(detail) => self.announce(false, false, &detail),
                }
                self.health_checked = Instant::now();
            }
            _ => {
                self.welcome_new_life();
                match self.check_health().await {
                    Ok(()) => self.reconcile(u64::MAX).await,
                    Err(detail) => self.announce(false, false, &detail),
                }
            }
        }
    }

    /// The restart that was asked for has happened: nobody shall restart the app once more.
    fn welcome_new_life(&self) {
        if matches!(self.standing, Standing::Spoiled { .. }) {
            self.announce(
                false,
                false,
                "The app was started anew and does not answer yet.",
            );
        }
    }

    /// The driver says that an answer from here was not the settled one.
    pub(super) async fn note_divergence(&mut self) {
        let Some(sequence) = *self.port.diverged.borrow_and_update() else {
            return;
        };
        match (self.app.state.kind, &self.standing) {
            (StateKind::Memory, Standing::Current { life, .. })
                if sequence >= self.rebuilt_from =>
            {
                self.snapshots.give_up();
                self.spoil(
                    life.clone(),
                    "An answer of this app was not the one that the other replicas agreed on. \
                     Restart the app: it is rebuilt by replay.",
                );
            }
            (StateKind::Durable, _) => {
                self.snapshots.give_up();
                let ordinal = self.first_ordinal(sequence).await;
                let first = self.diverged_at.map_or(ordinal, |first| first.min(ordinal));
                self.diverged_at = Some(first);
                self.standing = Standing::Unknown;
            }
            _ => {}
        }
    }

    /// The first call of a batch.
    async fn first_ordinal(&self, sequence: Sequence) -> u64 {
        let batches = self.read_history(sequence, 1).await.unwrap_or_default();
        let items = batches.first().map(|batch| batch.items.iter());
        items
            .and_then(|mut items| items.find_map(ordinal))
            .unwrap_or(1)
    }

    fn spoil(&mut self, life: Life, detail: &str) {
        tracing::warn!(detail, "the app cannot be used until it is started anew");
        self.standing = Standing::Spoiled { life };
        let detail = detail.to_owned();
        self.publish(AppHealth {
            diverged: Some(Diverged::Memory),
            detail,
            ..AppHealth::default()
        });
    }

    fn refuse_foreign(&mut self, life: Life, applied: u64, ordinal: u64) {
        let detail = format!(
            "The app says it applied call {applied}, but call {ordinal} is next: \
            its data belong to another service. Give this replica its own app data."
        );
        tracing::error!(detail, "the app's data are foreign");
        self.standing = Standing::Spoiled { life };
        self.announce(false, false, &detail);
    }

    pub(super) fn announce(&self, healthy: bool, rebuilding: bool, detail: &str) {
        let detail = detail.to_owned();
        self.publish(AppHealth {
            healthy,
            rebuilding,
            detail,
            ..AppHealth::default()
        });
    }

    fn publish(&self, health: AppHealth) {
        self.health.send_if_modified(|last| {
            let changed = *last != health;
            *last = health;
            changed
        });
    }
}
