//! One replica with its disk, its ledger and its app: the loop of the sidecar's driver, step for
//! step, around the production core and journal.
//!
//! A step takes what came, lets the core handle it, makes the outcome durable, and only then
//! lets anything leave. Own votes come back to the core before the next input does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::{
    Authority, Batch, Certificate, Compaction, Config, Effects, Envelope, Event, Fetch, Frame,
    Membership, Message, Notice, Outcome, Record, Recovered, Released, Replica, ReplicaId, Request,
    RequestId, Sealed, Sequence, Settlement, SharedFrame, Supply, Time, UnixMillis, Verdict,
};

use crate::disk::{Image, SimulatedDisk};
use crate::executor::{Accident, Answers, Executor, Ran, Verdicts};
use crate::ledger::{Ledger, Proven};
use crate::log::{JournalLog, Opened, Promise};
use crate::plan::Plan;

/// When virtual time began, on a correct wall clock.
const START: u64 = 1_700_000_000_000;

/// What comes to a node.
#[derive(Debug)]
pub enum Input {
    /// A frame of a peer.
    Frame(ReplicaId, Arc<SharedFrame>),
    /// A link came up.
    Connected(ReplicaId),
    /// A client's request.
    Submit(usize, Request),
    /// A batch ran.
    Executed(Sequence, Vec<Outcome>),
}

/// What a step brought about.
#[derive(Debug, Default)]
pub struct Turn {
    /// Signed messages for all peers, with the same unsigned.
    pub envelopes: Vec<(Envelope, Vec<Message>)>,
    /// The same as they come back.
    pub sealed: Vec<Sealed>,
    /// Batches that go beside the first.
    pub batches: Vec<Bytes>,
    /// What this replica proposes afresh, as primary.
    pub proposed: Vec<RequestId>,
    /// Up to where it had handed batches to its app before the step.
    pub committed: Sequence,
    /// Frames for one peer.
    pub direct: Vec<(ReplicaId, Frame)>,
    /// What was written to the ledger.
    pub settlements: Vec<Settlement>,
    /// And its certificates.
    pub certificates: Vec<Certificate>,
    /// What the core noticed.
    pub notices: Vec<Notice>,
    /// Batches handed to the app: sequence and batch digest.
    pub dispatched: Vec<(Sequence, byzantine_consensus::Digest)>,
    /// Answers for clients.
    pub replies: Vec<(usize, RequestId, Proven)>,
    /// What the journal is to be replaced by.
    pub compaction: Option<Compaction>,
    /// Whether the disk was written.
    pub wrote: bool,
}

/// Why a node stopped in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// Its disk failed: a crash.
    Crashed,
    /// The ledger was given what does not fit: a broken invariant.
    Ledger(String),
}

/// What a start came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// It runs.
    Running,
    /// What it promised is lost, and it knows: it runs, and abstains.
    Abstaining(String),
    /// Its disk failed again.
    Failed,
    /// Its journal lost what it had promised to keep, in silence.
    Broken(String),
}

/// A running process.
struct Life {
    replica: Replica,
    log: JournalLog,
    pending: Effects,
    booted: u64,
    waiting: BTreeMap<RequestId, Vec<usize>>,
}

/// One replica and everything that it owns.
pub struct Node {
    /// Which member it is.
    pub id: ReplicaId,
    /// Which start of the process this is.
    pub lives: u32,
    /// What came and was not looked at yet.
    pub inbox: Vec<Input>,
    /// Its disk.
    pub disk: SimulatedDisk,
    /// Its ledger.
    pub ledger: Ledger,
    /// Its app.
    pub executor: Executor,
    /// What its wall clock is ahead, in milliseconds.
    pub skew: i64,
    /// What its gateway let in, and how far it had come by then; also where it crashed next.
    pub let_in: Vec<(RequestId, Sequence)>,
    promise: Promise,
    /// Beside the keys: this replica has voted before.
    marked: bool,
    life: Option<Box<Life>>,
    authority: Arc<dyn Authority>,
    config: Config,
}

/// What a whole machine held at one moment.
pub struct Backup {
    image: Image,
    ledger: Ledger,
    bank: crate::app::Bank,
}

impl Node {
    /// A node whose disk is empty.
    pub fn new(
        id: ReplicaId,
        plan: &Plan,
        membership: Membership,
        authority: Arc<dyn Authority>,
        answers: Answers,
    ) -> Self {
        let [request, view_change, bound] = plan.timeouts.map(Duration::from_millis);
        let config = Config {
            replica: id,
            membership: membership.clone(),
            request_timeout: request,
            view_change_timeout: view_change,
            checkpoint_interval: plan.checkpoint_interval,
            clock_bound: bound,
            client_key_retention: plan.keys.client,
            gateway_key_retention: plan.keys.gateway,
            gateway_keys: plan.keys.gateway_keys,
            verdicts: Arc::new(Verdicts(membership)),
        };
        Self {
            id,
            lives: 0,
            inbox: Vec::new(),
            disk: SimulatedDisk::default(),
            ledger: Ledger::default(),
            executor: Executor::new(plan.app, plan.keys, answers),
            skew: 0,
            let_in: Vec::new(),
            promise: Promise::default(),
            marked: false,
            life: None,
            authority,
            config,
        }
    }

    /// Whether the process runs.
    pub const fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// The core, while the process runs.
    pub fn replica(&self) -> Option<&Replica> {
        self.life.as_ref().map(|life| &life.replica)
    }

    /// The keys.
    pub fn authority(&self) -> &Arc<dyn Authority> {
        &self.authority
    }

    /// Starts the process from what its disk holds.
    pub fn start(&mut self, now: u64) -> Started {
        self.disk.set_fuse(None);
        let (log, records, started) = match self.recall() {
            Ok(recalled) => recalled,
            Err(stopped) => return stopped,
        };
        self.marked = true;
        let recovered = Recovered {
            ledger: self.ledger.state(),
            records,
        };
        let mut pending = Effects::default();
        let (config, authority) = (self.config.clone(), Arc::clone(&self.authority));
        let time = self.time(now, now);
        let replica = Replica::new(config, authority, recovered, time, &mut pending);
        self.lives += 1;
        self.life = Some(Box::new(Life {
            replica,
            log,
            pending,
            booted: now,
            waiting: BTreeMap::new(),
        }));
        started
    }

    /// The journal, or one that only says that memory is lost; the sidecar's rules.
    fn recall(&mut self) -> Result<(JournalLog, Vec<Record>, Started), Started> {
        let forgotten = self.marked && self.disk.is_blank();
        let lost = match JournalLog::open(&self.disk, &mut self.promise) {
            Opened::Whole(log, records, compacted) => {
                let base = if compacted { records.first() } else { None };
                match self.gap(base, forgotten) {
                    None => return Ok((log, records, Started::Running)),
                    Some(gap) => gap,
                }
            }
            Opened::Damaged(damage) => damage,
            Opened::Failed => return Err(Started::Failed),
            Opened::Broken(how) => return Err(Started::Broken(how)),
        };
        match JournalLog::forget(&self.disk, &mut self.promise) {
            Ok((log, records)) => Ok((log, records, Started::Abstaining(lost))),
            Err(_) => Err(Started::Failed),
        }
    }

    /// What is missing between the ledger and a journal that was compacted to `base`.
    fn gap(&self, base: Option<&Record>, forgotten: bool) -> Option<String> {
        match base {
            Some(Record::Stable(stable)) if stable.certificate.sequence > self.ledger.last() => {
                Some("the journal begins after the ledger's end".to_owned())
            }
            _ if forgotten => Some("there is no journal any more".to_owned()),
            _ => None,
        }
    }

    /// The process ends at once; `power` when the machine does too.
    pub fn crash(&mut self, power: Option<&mut crate::random::Random>, keeps_notes: bool) {
        self.life = None;
        self.inbox.clear();
        self.disk.set_fuse(None);
        if let Some(random) = power {
            self.disk.lose_power(random);
        }
        self.ledger.crash();
        self.executor.crash(keeps_notes);
    }

    /// The journal is gone, or the ledger, or both; the keys remain.
    pub fn wipe(&mut self, journal: bool, ledger: bool) {
        if journal {
            self.disk.wipe();
            self.promise.forget();
        }
        if ledger {
            self.ledger = Ledger::default();
        }
    }

    /// What the machine holds now.
    pub fn backup(&self) -> Backup {
        Backup {
            image: self.disk.image(),
            ledger: self.ledger.clone(),
            bank: self.executor.bank.clone(),
        }
    }

    /// The machine comes back as it was then.
    pub fn roll_back(&mut self, backup: &Backup) {
        self.disk.restore(&backup.image);
        self.promise.forget();
        self.ledger = backup.ledger.clone();
        self.ledger.crash();
        self.executor.bank = backup.bank.clone();
        self.executor.crash(false);
    }

    /// When there is something to do without any input, in virtual time.
    pub fn deadline(&self) -> Option<u64> {
        let life = self.life.as_ref()?;
        let due = life.replica.next_deadline();
        let microseconds = due.as_nanos().div_ceil(1000);
        Some(life.booted + u64::try_from(microseconds).unwrap_or(u64::MAX / 2))
    }

    /// Whether own votes or other effects wait for the next step.
    pub fn has_pending(&self) -> bool {
        self.life
            .as_ref()
            .is_some_and(|life| !life.pending.is_empty())
    }

    /// One tick of the driver.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn step(&mut self, now: u64) -> Result<Turn, Stopped> {
        let mut turn = Turn::default();
        let Some(mut life) = self.life.take() else {
            return Ok(turn);
        };
        turn.committed = life.replica.committed();
        let time = self.time(now, life.booted);
        let mut effects = std::mem::take(&mut life.pending);
        let mut inbox = std::mem::take(&mut self.inbox);
        // Whatever is handled looks at all clocks.
        let idle = inbox.is_empty();
        for input in inbox.drain(..) {
            self.take(&mut life, input, time, &mut effects, &mut turn);
        }
        // The memory serves again.
        self.inbox = inbox;
        if idle && time.monotonic >= life.replica.next_deadline() {
            life.replica.handle(time, Event::Tick, &mut effects);
        }
        let released = self.release(&mut life, effects, time, &mut turn);
        self.life = Some(life);
        released.map(|()| turn)
    }

    fn take(
        &mut self,
        life: &mut Life,
        input: Input,
        time: Time,
        effects: &mut Effects,
        turn: &mut Turn,
    ) {
        let event = match input {
            Input::Frame(from, frame) => {
                if let Frame::Fetch(Fetch::Entries(first)) = frame.frame() {
                    let entries = self.ledger.supply(*first);
                    if !entries.is_empty() {
                        let supply = Frame::Supply(Supply::Entries(entries));
                        turn.direct.push((from, supply));
                    }
                    return;
                }
                Event::Shared { from, frame }
            }
            Input::Connected(peer) => Event::Connected(peer),
            Input::Executed(sequence, outcomes) => Event::Executed { sequence, outcomes },
            Input::Submit(client, request) => {
                let id = request.id();
                if let Some(proven) = self.ledger.prove(&id) {
                    turn.replies.push((client, id, proven));
                    return;
                }
                let waiting = life.waiting.entry(id).or_default();
                if !waiting.contains(&client) {
                    waiting.push(client);
                }
                self.let_in.push((id, life.replica.committed()));
                Event::Admitted(vec![request])
            }
        };
        life.replica.handle(time, event, effects);
    }

    fn release(
        &mut self,
        life: &mut Life,
        effects: Effects,
        time: Time,
        turn: &mut Turn,
    ) -> Result<(), Stopped> {
        if effects.is_empty() {
            return Ok(());
        }
        let operations = self.disk.operations();
        let mut log = life.log.witnessed(&mut self.promise);
        let released = life.replica.commit(effects, &mut log);
        let released: Released = released.map_err(|_| Stopped::Crashed)?;
        turn.wrote = self.disk.operations() > operations;
        for sealed in &released.sealed {
            let event = Event::Sealed(sealed.clone());
            life.replica.handle(time, event, &mut life.pending);
        }
        turn.sealed = released.sealed;
        let messages = released.envelopes.into_iter().zip(released.messages);
        turn.envelopes.extend(messages);
        turn.batches = released.batches;
        turn.direct.extend(released.direct);
        let runs = released.executions.iter();
        turn.dispatched = runs.map(|run| (run.sequence, run.batch)).collect();
        self.executor.take(released.executions);
        self.settle(life, released.settlements, released.certificates, turn)?;
        turn.proposed = fresh(&released.notices, &turn.batches);
        turn.notices = released.notices;
        if let Some(compaction) = released.compaction {
            // Nothing of this step has left yet.
            self.disk.sync_elsewhere().map_err(|_| Stopped::Crashed)?;
            self.ledger.make_durable(compaction.stable);
            turn.compaction = Some(compaction);
        }
        Ok(())
    }

    /// Replaces the journal, once what the step said has left.
    ///
    /// # Errors
    /// [`Stopped::Crashed`].
    pub fn compact(&mut self, compaction: &Compaction) -> Result<(), Stopped> {
        let Some(life) = &mut self.life else {
            return Ok(());
        };
        let compacted = life.log.compact(&compaction.base, &mut self.promise);
        compacted.map_err(|_| Stopped::Crashed)
    }

    fn settle(
        &mut self,
        life: &mut Life,
        settlements: Vec<Settlement>,
        certificates: Vec<Certificate>,
        turn: &mut Turn,
    ) -> Result<(), Stopped> {
        for settlement in &settlements {
            let appended = self.ledger.append(settlement.clone());
            appended.map_err(Stopped::Ledger)?;
            self.executor.settled(settlement.sequence);
        }
        for certificate in &certificates {
            self.ledger.certify(certificate.clone());
        }
        for settlement in &settlements {
            self.reply(life, settlement, turn);
        }
        (turn.settlements, turn.certificates) = (settlements, certificates);
        Ok(())
    }

    /// Answers the clients that wait here. That another gateway has no room is no answer of this
    /// one's.
    fn reply(&self, life: &mut Life, settlement: &Settlement, turn: &mut Turn) {
        for (index, settled) in settlement.answers.iter().enumerate() {
            let limit = matches!(settled.verdict, Verdict::Limit(_));
            if limit && settled.gateway != self.id {
                continue;
            }
            let id = settled.request_id;
            for client in life.waiting.remove(&id).unwrap_or_default() {
                // Its key may be forgotten already, where many sequences came at once.
                let proven = self.ledger.prove_at(settlement.sequence, index);
                turn.replies
                    .extend(proven.map(|proven| (client, id, proven)));
            }
        }
    }

    /// How many records the core would keep in a compacted journal: a measure of what it holds.
    pub fn held(&self) -> usize {
        self.replica()
            .map_or(0, |replica| replica.journal_base().len())
    }

    /// Runs the next batch on the app; its outcomes come back as an input.
    ///
    /// # Errors
    /// A request that ran twice.
    pub fn run_app(
        &mut self,
        accident: Option<Accident>,
    ) -> Result<Option<Ran>, crate::executor::Twice> {
        let membership = &self.config.membership;
        self.executor.run(&self.ledger, membership, accident)
    }

    /// What its wall clock says, in milliseconds.
    pub fn wall_clock(&self, now: u64) -> u64 {
        let milliseconds = i64::try_from(START + now / 1000).unwrap_or(i64::MAX);
        u64::try_from(milliseconds + self.skew).unwrap_or(0)
    }

    fn time(&self, now: u64, booted: u64) -> Time {
        Time {
            monotonic: Duration::from_micros(now.saturating_sub(booted)),
            unix: UnixMillis(self.wall_clock(now)),
        }
    }
}

/// The requests of the batches that were proposed afresh.
fn fresh(notices: &[Notice], batches: &[Bytes]) -> Vec<RequestId> {
    let proposed: Vec<Sequence> = notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::Proposed { sequence, .. } => Some(*sequence),
            _ => None,
        })
        .collect();
    if proposed.is_empty() {
        return Vec::new();
    }
    let batches = batches.iter().filter_map(|bytes| Batch::decode(bytes));
    let fresh = batches.filter(|batch| proposed.contains(&batch.sequence));
    fresh.flat_map(|batch| batch.requests).collect()
}
