//! The driver: one thread owns the replica, its journal and its appends to the ledger.
//!
//! A tick takes what came, lets the core handle it, makes the outcome durable, and only then
//! sends. Own votes come back to the core before anything else does, so a quorum never rests
//! on a vote that a crash could take back.

mod admission;
mod history;
mod inbox;
mod log;
mod notices;
mod release;
mod snapshot;
mod transfer;
mod watchfulness;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use byzantine_consensus::{
    Authority, Config, Effects, Event, Execution, Fetch, Frame, Outcome, Record, Recovered,
    Replica, Sequence, Time, UnixMillis,
};
use byzantine_proof::{Digest, ReplicaId};
use tokio::sync::{mpsc, watch};

use crate::courier::{Delivered, Order};
use crate::error::SidecarError;
use crate::interposer::Interposer;
use crate::ledger::Ledger;
use crate::peers::{PeerEvent, PeerEvents, Peers};
use crate::status::ObservationKind;
use crate::submission::{NotAccepted, Submission};
use crate::telemetry::{Sighting, Telemetry, unix_milliseconds};
use admission::{Admission, refuse};
use inbox::{Inbox, Inputs};
use notices::Notices;
use watchfulness::Watchfulness;

pub use history::CallHistory;
pub use log::{JournalLog, Opening};
pub use snapshot::Snapshot;
pub use transfer::{Replays, Retained};

/// How long accepted requests may take to finish once the driver shall stop.
const FAREWELL: Duration = Duration::from_secs(8);

/// How often the status is renewed under load.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(50);

/// What a driver is made of.
pub struct DriverParts {
    /// The core's settings.
    pub config: Config,
    /// The keys.
    pub authority: Arc<dyn Authority>,
    /// The open journal.
    pub journal: JournalLog,
    /// What the journal held.
    pub records: Vec<Record>,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// All calls of the app, for its rebuilding.
    pub history: Arc<CallHistory>,
    /// The links, and what comes over them.
    pub peers: Peers,
    /// One queue of events for each peer.
    pub peer_events: PeerEvents,
    /// Requests of this gateway.
    pub submissions: mpsc::Receiver<Submission>,
    /// Where the newest signed checkpoint is announced.
    pub announce: watch::Sender<Option<String>>,
    /// Where batches go to be run.
    pub executions: mpsc::Sender<Execution>,
    /// Where their outcomes come from.
    pub outcomes: mpsc::Receiver<(Sequence, Vec<Outcome>)>,
    /// Where the executor hears that an own answer was not the settled one.
    pub diverged: watch::Sender<Option<Sequence>>,
    /// Where the status is published.
    pub snapshot: watch::Sender<Snapshot>,
    /// Alters what is sent, in tests; honest otherwise.
    pub interposer: Arc<dyn Interposer>,
    /// Metrics and observations.
    pub telemetry: Arc<Telemetry>,
    /// Closed when the driver shall finish what it accepted and stop.
    pub stop: mpsc::Receiver<()>,
    /// Where parcels about state go.
    pub courier: mpsc::Sender<Delivered>,
    /// What the courier wants done.
    pub orders: mpsc::Receiver<Order>,
    /// What is kept, for whom and how long.
    pub retained: Retained,
}

/// Starts the driver's thread; it ends when it is told to, or when its disk fails.
///
/// # Errors
/// [`SidecarError::Thread`]; [`SidecarError::Ledger`] when the ledger cannot be read back.
pub fn spawn(parts: DriverParts) -> Result<JoinHandle<Result<(), SidecarError>>, SidecarError> {
    let thread = |source| SidecarError::Thread { source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.map_err(thread)?;
    let run = move || {
        let (driver, effects) = Driver::new(parts)?;
        runtime.block_on(driver.run(effects))
    };
    let builder = std::thread::Builder::new().name("driver".to_owned());
    builder.spawn(run).map_err(thread)
}

struct Driver {
    config: Config,
    replica: Replica,
    /// Whether the core rests, since the ledger moves without it.
    suspended: bool,
    own: ReplicaId,
    others: Vec<ReplicaId>,
    origin: Digest,
    authority: Arc<dyn Authority>,
    journal: JournalLog,
    ledger: Arc<Ledger>,
    history: Arc<CallHistory>,
    peers: Peers,
    inbox: Inbox,
    announce: watch::Sender<Option<String>>,
    executions: mpsc::Sender<Execution>,
    /// Executions that the executor's queue had no room for; bounded by the core's window.
    undelivered: VecDeque<Execution>,
    diverged: watch::Sender<Option<Sequence>>,
    snapshot: watch::Sender<Snapshot>,
    published: Instant,
    interposer: Arc<dyn Interposer>,
    telemetry: Arc<Telemetry>,
    notices: Notices,
    watchfulness: Watchfulness,
    admission: Admission,
    courier: mpsc::Sender<Delivered>,
    retained: Retained,
    started: Instant,
    /// When the driver stops at the latest, once it was told to.
    farewell: Option<Instant>,
}

impl Driver {
    fn new(parts: DriverParts) -> Result<(Self, Effects), SidecarError> {
        let DriverParts {
            config,
            authority,
            ledger,
            records,
            telemetry,
            ..
        } = parts;
        let (own, started) = (config.replica, Instant::now());
        let (members, faults) = (config.membership.n(), config.membership.f());
        let others = config.membership.ids().filter(|id| *id != own).collect();
        let recovered = Recovered {
            ledger: ledger.recovered()?,
            records,
        };
        let mut effects = Effects::default();
        let now = time(started);
        let settings = config.clone();
        let replica = Replica::new(config, Arc::clone(&authority), recovered, now, &mut effects);
        let driver = Self {
            own,
            others,
            origin: replica.origin_digest(),
            config: settings,
            replica,
            suspended: false,
            authority,
            journal: parts.journal,
            ledger,
            history: parts.history,
            peers: parts.peers,
            inbox: Inbox {
                peers: parts.peer_events,
                submissions: parts.submissions,
                outcomes: parts.outcomes,
                orders: parts.orders,
                stop: parts.stop,
            },
            announce: parts.announce,
            executions: parts.executions,
            undelivered: VecDeque::new(),
            diverged: parts.diverged,
            snapshot: parts.snapshot,
            published: started,
            interposer: parts.interposer,
            notices: Notices::new(Arc::clone(&telemetry), own, members),
            watchfulness: Watchfulness::new(members, faults, started),
            telemetry,
            admission: Admission::default(),
            courier: parts.courier,
            retained: parts.retained,
            started,
            farewell: None,
        };
        Ok((driver, effects))
    }

    async fn run(mut self, mut effects: Effects) -> Result<(), SidecarError> {
        self.announce_checkpoint();
        self.publish();
        loop {
            let busy = !effects.is_empty() || self.admission.has_more();
            let inputs = if busy {
                self.inbox.take(self.farewell.is_some()).await
            } else {
                self.publish();
                self.inbox.wait(self.wake(), self.farewell.is_some()).await
            };
            self.handle(inputs, &mut effects)?;
            effects = self.release(effects)?;
            if self.published.elapsed() >= SNAPSHOT_INTERVAL {
                self.publish();
            }
            if self.is_done() {
                break;
            }
        }
        self.ledger.make_durable(None)?;
        tracing::info!("the driver has stopped");
        Ok(())
    }

    /// When there is something to do without any input.
    fn wake(&self) -> tokio::time::Instant {
        let own = Instant::now() + Watchfulness::INTERVAL;
        let core = if self.suspended {
            own
        } else {
            self.started + self.replica.next_deadline()
        };
        core.min(self.farewell.unwrap_or(own)).min(own).into()
    }

    fn is_done(&self) -> bool {
        let finished = || self.admission.awaited() == 0;
        self.farewell
            .is_some_and(|latest| finished() || Instant::now() >= latest)
    }

    fn handle(&mut self, inputs: Inputs, effects: &mut Effects) -> Result<(), SidecarError> {
        if inputs.stop {
            tracing::info!("finishing what was accepted");
            self.farewell = Some(Instant::now() + FAREWELL);
        }
        for order in inputs.orders {
            self.obey(order, effects)?;
        }
        for (sequence, outcomes) in inputs.outcomes {
            self.step(Event::Executed { sequence, outcomes }, effects);
        }
        for (peer, events) in inputs.peers {
            self.on_peer(peer, events, effects)?;
        }
        for submission in inputs.submissions {
            self.on_submission(submission)?;
        }
        let admitted = self.admission.admit();
        if !admitted.is_empty() {
            self.step(Event::Admitted(admitted), effects);
        }
        if self.started.elapsed() >= self.replica.next_deadline() {
            self.step(Event::Tick, effects);
        }
        self.look_around();
        Ok(())
    }

    fn step(&mut self, event: Event, effects: &mut Effects) {
        if self.suspended {
            return;
        }
        self.replica.handle(time(self.started), event, effects);
    }

    fn on_peer(
        &mut self,
        from: ReplicaId,
        events: Vec<PeerEvent>,
        effects: &mut Effects,
    ) -> Result<(), SidecarError> {
        let mut supplied = false;
        for event in events {
            match event {
                PeerEvent::Connected => {
                    self.watchfulness.connected(from);
                    self.step(Event::Connected(from), effects);
                }
                PeerEvent::Disconnected => {}
                PeerEvent::Malformed => self.malformed(from),
                PeerEvent::Frame {
                    frame: Frame::Fetch(Fetch::Entries(first)),
                    ..
                } => {
                    // Reading the ledger is work: once a tick for each peer.
                    if !std::mem::replace(&mut supplied, true) {
                        self.supply_entries(from, first)?;
                    }
                }
                PeerEvent::Frame {
                    frame: Frame::State(parcel),
                    room,
                } => self.pass_on(from, parcel, room),
                PeerEvent::Frame { frame, room } => {
                    self.watchfulness.heard(from, &frame);
                    self.step(Event::Received { from, frame }, effects);
                    drop(room);
                }
            }
        }
        Ok(())
    }

    fn malformed(&self, from: ReplicaId) {
        self.telemetry.observe(Sighting {
            kind: ObservationKind::InvalidMessage,
            replica: Some(from.0),
            sequence: None,
            detail: format!("replica {from} sent bytes that are no frame"),
            next_step: "no correct replica does this: inspect that replica's host and program",
        });
    }

    /// A request that was answered before is answered from the ledger, with a proof of today.
    fn on_submission(&mut self, submission: Submission) -> Result<(), SidecarError> {
        self.telemetry.count(|counters| counters.requests += 1);
        if self.farewell.is_some() {
            refuse(submission.reply, NotAccepted::ShuttingDown);
            return Ok(());
        }
        if self.suspended {
            refuse(submission.reply, NotAccepted::CatchingUp);
            return Ok(());
        }
        let key_hash = &submission.key_hash;
        match self.ledger.answer_of_request(key_hash, submission.id)? {
            Some(certified) => {
                self.telemetry.count(|counters| counters.answered += 1);
                // A client that has gone needs no answer.
                let _ = submission.reply.send(Ok(certified));
            }
            None => self.admission.accept(submission),
        }
        Ok(())
    }
}

fn time(started: Instant) -> Time {
    Time {
        monotonic: started.elapsed(),
        unix: UnixMillis(unix_milliseconds()),
    }
}
