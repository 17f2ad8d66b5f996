//! Committed batches go to the executor in order; exactly-once is decided here, once.

use byzantine_proof::BatchLeaf;

use crate::admission::{Ran, Refused};
use crate::batch::{Admission, Batch, KnownBatch};
use crate::config::RememberedKey;
use crate::effect::Effects;
use crate::execution::{Execution, ExecutionItem, Outcome, Verdict};
use crate::key_table::Seen;
use crate::message::{Message, ResultVote};
use crate::record::Record;
use crate::replica::Replica;
use crate::request::{KeySource, KnownRequest, Request};
use crate::run::{Run, RunItem};
use crate::sabotage::{Bug, is_on};
use crate::types::{RequestId, Sequence, UnixMillis};
use crate::word::keep_later;

impl Replica {
    /// Hands over every committed batch whose predecessors were all handed over.
    pub(crate) fn dispatch_committed(&mut self, effects: &mut Effects) {
        while let Some(batch) = self.next_committed() {
            let sequence = batch.sequence;
            let Some(requests) = self.take_bodies(&batch) else {
                break;
            };
            let run = self.start(&batch, &requests);
            let mut execution = self.execution(&run, &requests, &batch);
            let idle = execution.items.is_empty();
            let slot = self.slots.entry(sequence).or_default();
            slot.run = Some(run);
            self.execute_resolutions(&batch, effects);
            self.note_progress(sequence);
            if idle {
                self.note_executed(sequence, Vec::new());
            } else if self.certified < sequence {
                execution.recorded = self.take_recorded(sequence, effects);
                effects.executions.push(execution);
            }
        }
    }

    /// Doubled timeouts are reset by progress that they were not needed for. Where a quarter of the
    /// timeout is too short for agreement they stay, or a slow network would cost a view a batch.
    fn note_progress(&mut self, sequence: Sequence) {
        (self.dispatched, self.last_progress) = (sequence, self.now.monotonic);
        let slot = self.slots.get(&sequence);
        let proposed = slot.filter(|slot| slot.pre_prepared_in(self.view).is_some());
        let since = proposed.map(|slot| slot.pre_prepared_at);
        let took = since.and_then(|since| self.now.monotonic.checked_sub(since));
        let swift = took.is_some_and(|took| took * 4 <= self.config.request_timeout);
        if swift || is_on(Bug::ResetAtOnce) {
            self.doublings = 0;
        }
    }

    fn next_committed(&self) -> Option<KnownBatch> {
        let sequence = self.dispatched.next();
        let slot = self.slots.get(&sequence)?;
        let mut digest = slot.committed.as_ref()?.vote.digest;
        if is_on(Bug::AbandonedRuns) {
            digest = slot.pre_prepare.as_ref()?.body().digest;
        }
        let ready = self.has_bodies(sequence, &digest);
        self.batches.get(&digest).filter(|_| ready).cloned()
    }

    fn take_bodies(&mut self, batch: &Batch) -> Option<Vec<KnownRequest>> {
        let body = |id| {
            let ran = self.ran.get(id).map(|ran| &ran.request);
            self.pool.request(id).or(ran).cloned()
        };
        let mut requests: Vec<KnownRequest> =
            batch.requests.iter().map(body).collect::<Option<_>>()?;
        if is_on(Bug::OrderByName) && self.config.replica.0 % 2 == 1 {
            requests.sort_by_key(|request| request.id);
        }
        for request in &requests {
            self.note_ran(request, batch.sequence);
        }
        Some(requests)
    }

    fn note_ran(&mut self, request: &KnownRequest, sequence: Sequence) {
        let since = self.pool.since(&request.id).unwrap_or(self.now.monotonic);
        let pooled = self.pool.remove(&request.id);
        self.pace.forget(&request.id);
        self.refusals.note_ran(&request.id);
        let before = self.ran.remove(&request.id);
        let mut admissions = before.map(|ran| ran.admissions).unwrap_or_default();
        for (gateway, word) in pooled.into_iter().flat_map(|(_, admissions)| admissions) {
            keep_later(&mut admissions, gateway, word);
        }
        let ran = Ran {
            sequence,
            request: request.clone(),
            admissions,
            since,
            at: self.now.monotonic,
            refused: None,
        };
        self.ran.insert(request.id, ran);
    }

    /// Executed time never goes back: max(previous, proposed); a null batch runs at the previous.
    fn start(&mut self, batch: &KnownBatch, requests: &[KnownRequest]) -> Run {
        self.time = batch.time.map_or(self.time, |proposed| {
            if is_on(Bug::TimeGoesBack) {
                proposed
            } else {
                proposed.max(self.time)
            }
        });
        let forgotten = self.keys.expire(self.time);
        self.pool.drop_lapsed(self.keys.forgotten());
        for id in forgotten {
            self.pool.mark_forgotten(&id, self.now.monotonic);
        }
        let mut items = Vec::new();
        for (request, admission) in requests.iter().zip(&batch.admissions) {
            let place = (batch.sequence, items.len());
            items.extend(self.judge_request(request, *admission, place));
        }
        let batch_leaf = self.batch_leaf(batch, items.len(), requests.len() - items.len());
        Run {
            sequence: batch.sequence,
            time: self.time,
            batch: batch.bytes.clone(),
            requests: requests
                .iter()
                .map(|request| request.bytes.clone())
                .collect(),
            items,
            batch_leaf,
            ordinal: self.ordinal,
            forgotten: self.keys.forgotten(),
            outcomes: None,
            own_leaves: Vec::new(),
            settled: None,
            resolved: None,
        }
    }

    /// The same request again makes no leaf, nor does one whose word has lapsed. The same key for
    /// another request makes a 422, and one for which its gateway has no room a 429. Neither is
    /// remembered: it did not run, and may be sent again.
    fn judge_request(
        &mut self,
        request: &KnownRequest,
        admission: Admission,
        (sequence, index): (Sequence, usize),
    ) -> Option<RunItem> {
        let verdict = self.verdict_on(request, admission, sequence)?;
        let gateway = admission.gateway;
        let expires = self.expiry(request.key_source);
        let limited = matches!(verdict, Verdict::Limit(_));
        let remembered = limited && is_on(Bug::LimitRemembered);
        if matches!(verdict, Verdict::Call { .. }) || remembered {
            self.keys.insert(RememberedKey {
                key_hash: request.key_hash,
                request_id: request.id,
                sequence,
                index: u32::try_from(index).expect("a batch has at most 256 requests"),
                expires,
                gateway,
            });
        }
        let refused = match verdict {
            Verdict::Call { .. } => None,
            Verdict::Reused => Some(Refused::Reused),
            Verdict::Limit(_) => Some(Refused::Limit),
        };
        if let Some(ran) = self.ran.get_mut(&request.id) {
            ran.refused = refused;
        }
        if limited {
            self.refusals.note(request.id, gateway);
            self.wait_on(&request.id, sequence);
        }
        Some(RunItem {
            request_id: request.id,
            key_hash: request.key_hash,
            verdict,
            gateway,
            expires,
        })
    }

    fn verdict_on(
        &mut self,
        request: &KnownRequest,
        admission: Admission,
        sequence: Sequence,
    ) -> Option<Verdict> {
        let name = (&request.key_hash, &request.id);
        match self.keys.seen(name, admission, self.time) {
            Seen::Same if !is_on(Bug::DecidedRunsAgain) => None,
            Seen::Lapsed => {
                self.note_lapsed(&request.id, sequence);
                None
            }
            Seen::Reused if !is_on(Bug::ReuseRuns) => Some(Verdict::Reused),
            Seen::Limit(limit) => Some(Verdict::Limit(limit)),
            _ => {
                self.ordinal += 1;
                let ordinal = self.ordinal;
                Some(Verdict::Call { ordinal })
            }
        }
    }

    /// Others may vouch for it still.
    fn note_lapsed(&mut self, id: &RequestId, sequence: Sequence) {
        if let Some(ran) = self.ran.get_mut(id) {
            ran.refused = Some(Refused::Lapsed);
        }
        self.wait_on(id, sequence);
    }

    fn expiry(&self, source: KeySource) -> UnixMillis {
        self.time.after(match source {
            KeySource::Client => self.config.client_key_retention,
            KeySource::Gateway => self.config.gateway_key_retention,
        })
    }

    fn batch_leaf(&self, batch: &KnownBatch, leaves: usize, duplicates: usize) -> BatchLeaf {
        let checkpoint = batch
            .sequence
            .is_multiple_of(self.config.checkpoint_interval);
        let count = |number| u32::try_from(number).expect("a batch has at most 256 requests");
        BatchLeaf {
            origin: self.config.membership.origin().clone(),
            sequence: batch.sequence.0,
            time_ms: self.time.0,
            batch: batch.digest,
            leaves: count(leaves),
            duplicates: count(duplicates),
            resolved: batch
                .resolutions
                .iter()
                .map(|resolution| resolution.sequence.0)
                .collect(),
            middleware: checkpoint.then(|| self.keys.digest(self.ordinal)),
        }
    }

    fn execution(&self, run: &Run, requests: &[KnownRequest], batch: &KnownBatch) -> Execution {
        // What makes leaves stands in the requests' own order, so one pass finds all bodies.
        let mut bodies = requests.iter();
        let mut body = |item: &RunItem| {
            let found = bodies.find(|request| request.id == item.request_id);
            let bytes = &found.expect("an item is one of the requests").bytes;
            Request::decode(bytes).expect("a known request was decoded before")
        };
        let items = run
            .items
            .iter()
            .zip(0..)
            .map(|(item, index)| ExecutionItem {
                index,
                request_id: item.request_id,
                request: body(item),
                verdict: item.verdict,
            });
        Execution {
            sequence: run.sequence,
            time: self.time,
            batch: batch.digest,
            items: items.collect(),
            recorded: None,
        }
    }

    /// The app answered. RESULT rests on the outcomes, so they are recorded first; each replica
    /// sends one RESULT per sequence, ever.
    pub(crate) fn on_executed(
        &mut self,
        sequence: Sequence,
        outcomes: Vec<Outcome>,
        effects: &mut Effects,
    ) {
        let noted = self.note_executed(sequence, outcomes.clone());
        self.fetch_on(effects);
        if !noted {
            return;
        }
        let run = self.slots.get(&sequence).and_then(|slot| slot.run.as_ref());
        let leaves = run.map(|run| run.own_leaves.clone()).unwrap_or_default();
        effects.records.push(Record::Executed(sequence, outcomes));
        effects
            .messages
            .push(Message::Result(ResultVote { sequence, leaves }));
        self.compare_results(sequence, effects);
    }

    /// Stores outcomes with their run; `false` when they are not wanted (any more).
    pub(crate) fn note_executed(&mut self, sequence: Sequence, outcomes: Vec<Outcome>) -> bool {
        self.executed = self.executed.max(sequence);
        let run = self
            .slots
            .get_mut(&sequence)
            .and_then(|slot| slot.run.as_mut());
        run.is_some_and(|run| run.take_outcomes(outcomes))
    }
}
