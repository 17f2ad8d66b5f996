//! The replica: its state, and which event goes to which handler. Nothing is decided here.
//!
//! A vote of this replica counts only once it came back as [`Event::Sealed`], signed and
//! durable; so a quorum never rests on a vote that a crash could take back.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use byzantine_proof::tree::Frontier;
use byzantine_proof::{Digest, ReplicaId};

use crate::abstention::Abstention;
use crate::admission::Ran;
use crate::batch::KnownBatch;
use crate::certificate::{CheckpointCertificate, Judge};
use crate::config::{Config, Recovered};
use crate::disputes::Disputes;
use crate::effect::{Effects, Notice};
use crate::event::Event;
use crate::execution::{Answer, Certificate, Outcome};
use crate::frame::{Entry, Frame};
use crate::heartbeat::Heartbeats;
use crate::key_table::KeyTable;
use crate::limits::WINDOW_INTERVALS;
use crate::message::{Message, StatusReport, Suspicion, ViewChange};
use crate::pace::Pace;
use crate::pool::Pool;
use crate::proposed_time::Lateness;
use crate::refusals::Refusals;
use crate::rejection::Rejection;
use crate::sabotage::{Bug, is_on};
use crate::shared_frame::{Opened, SharedFrame};
use crate::signed::{Authority, Envelope, Sealed, SignedMessage, Verified, open, open_one};
use crate::slot::Slot;
use crate::types::{RequestId, Sequence, Time, UnixMillis, View};

/// One member of the group. All methods are synchronous and deterministic.
pub struct Replica {
    pub(crate) config: Config,
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) origin: Digest,
    pub(crate) now: Time,

    /// The current view, or the one whose NEW-VIEW is awaited when `changing`.
    pub(crate) view: View,
    pub(crate) changing: bool,
    pub(crate) new_view: Option<SignedMessage>,
    /// What the current view's NEW-VIEW demands to be proposed again, and from where on it may
    /// propose afresh.
    pub(crate) required: BTreeMap<Sequence, Digest>,
    pub(crate) fresh_above: Sequence,
    pub(crate) suspicions: BTreeMap<ReplicaId, Verified<Suspicion>>,
    pub(crate) view_changes: BTreeMap<ReplicaId, Verified<ViewChange>>,
    pub(crate) view_change_sent: Option<View>,
    /// The suspicions for which it moved here. Empty after a restart: its own VIEW-CHANGE has them.
    pub(crate) moved_by: Vec<SignedMessage>,
    pub(crate) new_view_sent: Option<View>,
    pub(crate) suspected: Option<View>,
    pub(crate) suspected_at: Duration,
    pub(crate) new_view_deadline: Option<Duration>,
    /// How often the timeouts were doubled since the last progress.
    pub(crate) doublings: u32,
    pub(crate) lateness: Lateness,
    /// When a batch was last handed to the executor.
    pub(crate) last_progress: Duration,

    pub(crate) pace: Pace,

    pub(crate) pool: Pool,
    pub(crate) slots: BTreeMap<Sequence, Slot>,
    /// Those of them that somebody promised: few, and looked at with every event.
    pub(crate) promised: BTreeSet<Sequence>,
    pub(crate) batches: BTreeMap<Digest, KnownBatch>,
    /// Requests that accepted batches above the stable checkpoint name.
    pub(crate) named: BTreeSet<RequestId>,
    /// Bodies of requests that ran above the stable checkpoint.
    pub(crate) ran: BTreeMap<RequestId, Ran>,
    pub(crate) refusals: Refusals,
    pub(crate) next_sequence: Sequence,
    pub(crate) last_proposed: UnixMillis,

    /// The low watermark, and its certificate.
    pub(crate) stable: Sequence,
    pub(crate) stable_certificate: Option<CheckpointCertificate>,
    /// Every batch up to here was handed to the executor; so all up to here is committed.
    pub(crate) dispatched: Sequence,
    pub(crate) executed: Sequence,
    /// Outcomes that the log had, of runs that are not handed over again yet.
    pub(crate) recorded: BTreeMap<Sequence, Vec<Outcome>>,
    pub(crate) disputes: Disputes,
    pub(crate) keys: KeyTable,
    pub(crate) ordinal: u64,
    pub(crate) time: UnixMillis,
    /// Every sequence up to here is settled, and this is the tree as of its end.
    pub(crate) settled: Sequence,
    pub(crate) frontier: Frontier,
    /// Every sequence up to here is settled, certified and given to the ledger.
    pub(crate) certified: Sequence,
    pub(crate) adoptable: BTreeMap<Sequence, Entry>,
    /// The certificate for the highest sequence that waits for its settlements.
    pub(crate) waiting_certificates: BTreeMap<Sequence, Certificate>,

    pub(crate) peers: BTreeMap<ReplicaId, StatusReport>,
    pub(crate) stalled: BTreeMap<ReplicaId, bool>,
    pub(crate) status_due: Duration,
    pub(crate) last_standing: StatusReport,
    pub(crate) fetches: u64,
    pub(crate) abstention: Option<Abstention>,
    pub(crate) heartbeats: BTreeMap<ReplicaId, Heartbeats>,
}

/// Where a replica stands, for people and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The view, or the one it is changing to.
    pub view: View,
    /// Whether it waits for a NEW-VIEW.
    pub changing: bool,
    /// The primary of that view.
    pub primary: ReplicaId,
    /// The stable checkpoint.
    pub stable: Sequence,
    /// All up to here is committed.
    pub committed: Sequence,
    /// All up to here is executed by this replica's app.
    pub executed: Sequence,
    /// All up to here is settled.
    pub settled: Sequence,
    /// All up to here is certified and in the ledger.
    pub certified: Sequence,
    /// Leaves in the tree.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// App calls ordered so far.
    pub ordinal: u64,
    /// Known requests that were not ordered yet.
    pub pooled: usize,
    /// Those of them that this replica's gateway admitted.
    pub own_pooled: usize,
    /// Until when this replica abstains, if it does.
    pub abstention: Option<Abstention>,
}

impl Replica {
    /// A replica as it was when its log was last synced; at genesis when the log is empty.
    pub fn new(
        config: Config,
        authority: Arc<dyn Authority>,
        recovered: Recovered,
        now: Time,
        effects: &mut Effects,
    ) -> Self {
        let mut replica = Self::at_genesis(config, authority, now);
        replica.recover(recovered, effects);
        replica
    }

    /// Handles one event at `now`; what is to be done is added to `effects`.
    pub fn handle(&mut self, now: Time, event: Event, effects: &mut Effects) {
        self.now = now;
        self.pace.tick(now.monotonic);
        match event {
            Event::Admitted(requests) => self.on_admitted(&requests, effects),
            Event::Received { from, frame } => self.on_frame(from, frame, effects),
            Event::Shared { from, frame } => self.on_shared(from, frame, effects),
            Event::Sealed(sealed) => self.on_sealed(&sealed, effects),
            Event::Executed { sequence, outcomes } => self.on_executed(sequence, outcomes, effects),
            Event::Connected(peer) => self.on_connected(peer, effects),
            Event::Tick => {}
        }
        self.advance(effects);
    }

    /// When [`Event::Tick`] is due, on the monotonic clock.
    pub fn next_deadline(&self) -> Duration {
        self.clocks()
            .into_iter()
            .flatten()
            .fold(self.status_due, Duration::min)
    }

    /// Where this replica stands.
    pub fn standing(&self) -> Standing {
        Standing {
            view: self.view,
            changing: self.changing,
            primary: self.primary(),
            stable: self.stable,
            committed: self.dispatched,
            executed: self.executed,
            settled: self.settled,
            certified: self.certified,
            size: self.frontier.size(),
            root: self.frontier.root(),
            ordinal: self.ordinal,
            pooled: self.pool.len(),
            own_pooled: self.pool.of_gateway(self.config.replica),
            abstention: self.abstention,
        }
    }

    /// The view it is in, or changes to.
    pub const fn view(&self) -> View {
        self.view
    }

    /// Every sequence up to here is certified.
    pub const fn certified(&self) -> Sequence {
        self.certified
    }

    /// Every batch up to here was handed to the executor.
    pub const fn committed(&self) -> Sequence {
        self.dispatched
    }

    /// How many sequences above the stable checkpoint something is known about.
    pub fn held_sequences(&self) -> usize {
        self.slots.len()
    }

    /// How many unexecuted requests of one gateway are known.
    pub fn pooled_of(&self, gateway: ReplicaId) -> usize {
        self.pool.of_gateway(gateway)
    }

    /// Whether anything that was ordered or is to be ordered is not answered yet.
    pub fn is_waiting(&self) -> bool {
        self.changing || self.pool.len() > 0 || self.executed != self.certified
    }

    /// What each peer last said of itself.
    pub fn peers(&self) -> &BTreeMap<ReplicaId, StatusReport> {
        &self.peers
    }

    /// Where the leaf of an executed request is. It may not be certified yet.
    pub fn answered(&self, id: &RequestId) -> Option<(Sequence, u32)> {
        self.keys.answered(id).map(|key| (key.sequence, key.index))
    }

    /// What this replica's own app answered at a leaf above the stable checkpoint.
    pub fn outcome(&self, sequence: Sequence, index: u32) -> Option<&Answer> {
        let run = self.slots.get(&sequence)?.run.as_ref()?;
        match run.outcomes.as_ref()?.get(usize::try_from(index).ok()?)? {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Lost => None,
        }
    }

    /// The digest of the origin, which every signature covers.
    pub const fn origin_digest(&self) -> Digest {
        self.origin
    }

    fn at_genesis(config: Config, authority: Arc<dyn Authority>, now: Time) -> Self {
        let origin = Digest::of(config.membership.origin().as_str().as_bytes());
        Self {
            authority,
            origin,
            now,
            view: View(0),
            changing: false,
            new_view: None,
            required: BTreeMap::new(),
            fresh_above: Sequence(0),
            suspicions: BTreeMap::new(),
            view_changes: BTreeMap::new(),
            view_change_sent: None,
            moved_by: Vec::new(),
            new_view_sent: None,
            suspected: None,
            suspected_at: now.monotonic,
            new_view_deadline: None,
            doublings: 0,
            lateness: Lateness::default(),
            last_progress: now.monotonic,
            pace: Pace::default(),
            pool: Pool::default(),
            slots: BTreeMap::new(),
            promised: BTreeSet::new(),
            batches: BTreeMap::new(),
            named: BTreeSet::new(),
            ran: BTreeMap::new(),
            refusals: Refusals::default(),
            next_sequence: Sequence(1),
            last_proposed: UnixMillis(0),
            stable: Sequence(0),
            stable_certificate: None,
            dispatched: Sequence(0),
            executed: Sequence(0),
            recorded: BTreeMap::new(),
            disputes: Disputes::default(),
            keys: KeyTable::new(config.gateway_keys, Sequence(0)),
            ordinal: 0,
            time: UnixMillis(0),
            settled: Sequence(0),
            frontier: Frontier::new(),
            certified: Sequence(0),
            adoptable: BTreeMap::new(),
            waiting_certificates: BTreeMap::new(),
            peers: BTreeMap::new(),
            stalled: BTreeMap::new(),
            status_due: now.monotonic,
            last_standing: StatusReport::default(),
            fetches: 0,
            abstention: None,
            heartbeats: BTreeMap::new(),
            config,
        }
    }

    /// Everything that became possible by the last event.
    fn advance(&mut self, effects: &mut Effects) {
        self.run_clocks(effects);
        self.vote_where_possible(effects);
        self.dispatch_committed(effects);
        self.settle_executed(effects);
        self.promise_where_stuck(effects);
        self.certify_settled(effects);
        self.watch_resolutions(effects);
        self.propose_resolutions(effects);
        self.propose(effects);
        self.beat(effects);
        self.pass_checkpoint(effects);
        // What was to be said while it abstained stays unsaid, also where that ends now: its own
        // VIEW-CHANGE brings an abstainer to a view for which it may have signed another before.
        self.withhold_votes(effects);
        self.review_abstention(effects);
        self.pace.set_running(self.primary_owes());
    }

    fn on_frame(&mut self, from: ReplicaId, frame: Frame, effects: &mut Effects) {
        match frame {
            Frame::Envelope { envelope, batches } => {
                let (origin, authority) = (self.origin, Arc::clone(&self.authority));
                let opened = || open(&origin, &envelope, authority.as_ref());
                self.on_envelope(from, &envelope, opened, effects);
                self.on_batches(&batches);
            }
            Frame::Relay(messages) => self.on_relay(from, &messages, effects),
            Frame::Fetch(fetch) => self.on_fetch(from, &fetch, effects),
            Frame::Supply(supply) => self.on_supply(from, supply, effects),
            Frame::State(_) => {}
        }
    }

    fn on_shared(&mut self, from: ReplicaId, shared: Arc<SharedFrame>, effects: &mut Effects) {
        if let Frame::Envelope { envelope, batches } = shared.frame() {
            let (origin, authority) = (self.origin, Arc::clone(&self.authority));
            let opened = || shared.opened(envelope, &origin, authority.as_ref());
            self.on_envelope(from, envelope, opened, effects);
            self.on_batches(batches);
        } else {
            self.on_frame(from, SharedFrame::take(shared), effects);
        }
    }

    fn on_envelope<O: Borrow<Opened>>(
        &mut self,
        from: ReplicaId,
        envelope: &Envelope,
        opened: impl FnOnce() -> O,
        effects: &mut Effects,
    ) {
        if self.is_redundant(from, envelope) {
            return;
        }
        // An envelope comes over its sender's own link; everyone else must RELAY.
        if envelope.sender != from && !is_on(Bug::SenderUnchecked) {
            reject(effects, from, Rejection::Signature, "envelope");
            return;
        }
        match opened().borrow() {
            Ok(messages) => {
                for message in messages {
                    self.on_message(message, effects);
                }
            }
            Err(rejection) => reject(effects, from, *rejection, "envelope"),
        }
    }

    fn on_relay(&mut self, from: ReplicaId, messages: &[SignedMessage], effects: &mut Effects) {
        for signed in messages.iter().take(crate::limits::RELAYED_MESSAGES) {
            if self.is_here(signed) {
                continue;
            }
            let own = signed.sender == self.config.replica;
            match open_one(&self.origin, signed, self.authority.as_ref()) {
                Ok(message) if own => self.recall(&message, effects),
                // Where somebody stands, and what his clients want now, only he himself says: an
                // old message would mislead.
                Ok(message) if is_of_its_time(message.body()) => {}
                Ok(message) => self.on_message(&message, effects),
                Err(rejection) => reject(effects, from, rejection, "relay"),
            }
        }
    }

    /// What this replica said and does not know any more: a primary that lost its memory learns
    /// from the others which view it opened, and a gateway for which requests it vouched. Of its
    /// COMMITs it keeps those of two views, and the certificate of the others may rest on a third.
    fn recall(&mut self, message: &Verified<Message>, effects: &mut Effects) {
        match message.body() {
            Message::NewView(vote) if !is_on(Bug::OwnViewIgnored) => {
                self.new_view_sent = self.new_view_sent.max(Some(vote.view));
                self.on_message(message, effects);
            }
            Message::Admitted { .. } | Message::Commit(_) => self.on_message(message, effects),
            _ => {}
        }
    }

    fn on_sealed(&mut self, sealed: &Sealed, effects: &mut Effects) {
        for message in sealed.messages() {
            assert_eq!(
                message.sender(),
                self.config.replica,
                "sealed by this replica"
            );
            self.on_message(message, effects);
        }
    }

    /// Dispatch. Handlers take what is verified; what they refuse is counted here.
    pub(crate) fn on_message(&mut self, message: &Verified<Message>, effects: &mut Effects) {
        let sender = message.sender();
        let handled = match message.body() {
            Message::Requests { as_of, requests } => {
                self.on_requests(message, (*as_of, requests), effects)
            }
            Message::Admitted { as_of, names } => {
                self.on_admission(message, (*as_of, names), effects)
            }
            Message::PrePrepare(vote) => self.on_pre_prepare(message.narrow(*vote), effects),
            Message::Prepare(vote) => self.on_prepare(message.narrow(*vote), effects),
            Message::Commit(vote) => self.on_commit(message.narrow(*vote), effects),
            Message::Result(vote) => self.on_result(message.narrow(vote.clone()), effects),
            Message::Attest(vote) => self.on_attest(message.narrow(*vote), effects),
            Message::Suspect(vote) => self.on_suspect(message.narrow(*vote), effects),
            Message::ViewChange(vote) => self.on_view_change(message.narrow(vote.clone()), effects),
            Message::NewView(vote) => self.on_new_view(message, vote, effects),
            Message::Promise(vote) => self.on_promise(message.narrow(vote.clone()), effects),
            Message::Status(report) => {
                self.on_status(sender, *report, effects);
                Ok(())
            }
        };
        if let Err(rejection) = handled {
            reject(effects, sender, rejection, message.body().kind());
        }
    }

    /// The slot of a sequence between the watermarks, created on first use.
    pub(crate) fn slot_mut(&mut self, sequence: Sequence) -> Result<&mut Slot, Rejection> {
        let above = sequence > self.high_watermark() && !is_on(Bug::WindowUnbounded);
        if sequence <= self.stable || above {
            return Err(Rejection::OutsideWindow);
        }
        Ok(self.slots.entry(sequence).or_default())
    }

    pub(crate) fn high_watermark(&self) -> Sequence {
        self.stable + WINDOW_INTERVALS * self.config.checkpoint_interval
    }

    pub(crate) fn primary(&self) -> ReplicaId {
        self.view.primary(self.config.membership.n())
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.primary() == self.config.replica
    }

    pub(crate) fn quorum(&self) -> usize {
        crate::certificate::order_quorum(&self.config.membership)
    }

    pub(crate) fn judge(&self) -> Judge<'_> {
        Judge {
            membership: &self.config.membership,
            origin: &self.origin,
            authority: self.authority.as_ref(),
        }
    }
}

const fn is_of_its_time(message: &Message) -> bool {
    matches!(message, Message::Status(_) | Message::Requests { .. })
}

pub(crate) fn reject(
    effects: &mut Effects,
    replica: ReplicaId,
    rejection: Rejection,
    kind: &'static str,
) {
    effects.notices.push(Notice::Rejected {
        replica,
        rejection,
        kind,
    });
}
