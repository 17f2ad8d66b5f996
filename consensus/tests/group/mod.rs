//! A group of replicas in one thread: an in-memory network, a log that keeps only what was
//! synced, and an app that adds numbers. Nothing here waits; time moves when a test says so.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "each test binary uses a part of it"
)]

mod answers;
mod forge;
mod log;
mod members;
mod seals;
mod talk;
pub mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::limits::GATEWAY_KEYS;
use byzantine_consensus::{
    Abstention, Authority, Certificate, CommitCertificate, Config, Effects, Entry, Event,
    Execution, Fetch, Frame, KeySource, Keys, LedgerState, Message, Notice, Outcome, Record,
    Recovered, Released, RememberedKey, Replica, ReplicaId, Request, Sequence, Settlement,
    SharedFrame, Supply, Time, UnixMillis, Verdict, open_one,
};
use byzantine_proof::Membership;
use byzantine_proof::tree::{Frontier, leaf_hash};

use answers::{Verdicts, answer};
use log::MemoryLog;
use members::{membership, secrets};
use seals::Seals;
use talk::Talk;

const START: u64 = 1_700_000_000_000;

/// One member with its disk and its app.
pub struct Node {
    id: usize,
    pub replica: Option<Replica>,
    log: MemoryLog,
    authority: Arc<dyn Authority>,
    pub ledger: Vec<Settlement>,
    certificates: BTreeMap<Sequence, Certificate>,
    pub durable: usize,
    executions: VecDeque<Execution>,
    app: u64,
    /// Whether its app lies.
    pub lying_app: bool,
    /// Whether its app answers like no other one, but for what begins with /even.
    pub odd_app: bool,
    /// How long a field its app's answers have besides.
    pub long_field: usize,
    /// Whether its app stands still.
    pub paused_app: bool,
}

/// All members, and the frames between them.
pub struct Group {
    pub nodes: Vec<Node>,
    membership: Membership,
    interval: u64,
    /// How many keys a gateway may have remembered.
    gateway_keys: u32,
    now: Duration,
    wire: VecDeque<(usize, usize, Frame)>,
    /// Frames on their way, by when they arrive.
    late: BTreeMap<(Duration, u64), (usize, usize, Frame)>,
    posted: u64,
    /// How long a frame takes: at least the first, at most both.
    pub latency: (Duration, Duration),
    /// What a member's clock bound is, from its next start on.
    pub clock_bound: Duration,
    /// How much longer a member keeps its proposals to itself.
    pub stalls: BTreeMap<usize, Duration>,
    pub cut: BTreeSet<(usize, usize)>,
    /// Kinds of messages that a sender's envelopes lose.
    pub withheld: BTreeSet<(usize, &'static str)>,
    pub notices: Vec<(usize, Notice)>,
    pub talk: Talk,
}

impl Group {
    pub fn new(members: usize, faults: usize, interval: u64) -> Self {
        let seals = |id, _: &Membership| -> Arc<dyn Authority> { Arc::new(Seals(replica_id(id))) };
        Self::of((members, faults), interval, GATEWAY_KEYS, seals)
    }

    /// A group in which each gateway may have `gateway_keys` keys remembered.
    pub fn with_quota(members: usize, faults: usize, interval: u64, gateway_keys: u32) -> Self {
        let seals = |id, _: &Membership| -> Arc<dyn Authority> { Arc::new(Seals(replica_id(id))) };
        Self::of((members, faults), interval, gateway_keys, seals)
    }

    /// With the signatures that are used outside.
    pub fn with_real_keys(members: usize, faults: usize, interval: u64) -> Self {
        let real = |id, membership: &Membership| -> Arc<dyn Authority> {
            let [vote, cosigner, _] = secrets(id);
            Arc::new(Keys::new(membership.clone(), vote, cosigner))
        };
        Self::of((members, faults), interval, GATEWAY_KEYS, real)
    }

    fn of(
        (members, faults): (usize, usize),
        interval: u64,
        gateway_keys: u32,
        authority: impl Fn(usize, &Membership) -> Arc<dyn Authority>,
    ) -> Self {
        let membership = membership(members, faults);
        let node = |id| Node::new(id, authority(id, &membership));
        let nodes = (0..members).map(node).collect();
        let mut group = Self {
            nodes,
            membership,
            interval,
            gateway_keys,
            now: Duration::from_secs(1),
            wire: VecDeque::new(),
            late: BTreeMap::new(),
            posted: 0,
            latency: (Duration::ZERO, Duration::ZERO),
            clock_bound: Duration::from_secs(1),
            stalls: BTreeMap::new(),
            cut: BTreeSet::new(),
            withheld: BTreeSet::new(),
            notices: Vec::new(),
            talk: Talk::default(),
        };
        for id in 0..members {
            group.start(id);
        }
        group
    }

    pub fn time(&self) -> Time {
        let unix = START + u64::try_from(self.now.as_millis()).unwrap();
        Time {
            monotonic: self.now,
            unix: UnixMillis(unix),
        }
    }

    /// Starts a member from what its disk holds.
    pub fn start(&mut self, id: usize) {
        let config = Config {
            replica: ReplicaId(u8::try_from(id).unwrap()),
            membership: self.membership.clone(),
            request_timeout: Duration::from_secs(2),
            view_change_timeout: Duration::from_secs(4),
            checkpoint_interval: self.interval,
            clock_bound: self.clock_bound,
            client_key_retention: Duration::from_hours(24),
            gateway_key_retention: Duration::from_mins(10),
            gateway_keys: self.gateway_keys,
            verdicts: Arc::new(Verdicts(self.membership.clone())),
        };
        let mut effects = Effects::default();
        let (time, node) = (self.time(), &mut self.nodes[id]);
        let recovered = node.recovered();
        // An app that is behind its ledger gets every call since from there, as a driver does it.
        node.app = node.app.max(recovered.ledger.ordinal);
        let authority = Arc::clone(&node.authority);
        let replica = Replica::new(config, authority, recovered, time, &mut effects);
        node.replica = Some(replica);
        self.carry_out(id, effects);
        for peer in 0..self.nodes.len() {
            if peer != id && self.nodes[peer].replica.is_some() {
                self.handle(id, Event::Connected(replica_id(peer)));
                self.handle(peer, Event::Connected(replica_id(id)));
            }
        }
    }

    /// Kills a member: memory, unsynced records and undurable ledger entries are gone.
    pub fn crash(&mut self, id: usize) {
        let node = &mut self.nodes[id];
        node.replica = None;
        node.log.pending.clear();
        node.ledger.truncate(node.durable);
        node.executions.clear();
        // The app keeps what it did; its state is the number of calls.
        self.wire.retain(|(from, to, _)| *from != id && *to != id);
    }

    /// Cuts the end off a log, behind its last record of a batch that the app answered.
    pub fn tear(&mut self, id: usize) {
        let log = &mut self.nodes[id].log.synced;
        let executed = |record: &Vec<u8>| {
            let record = Record::decode(record).expect("a record decodes");
            matches!(record, Record::Executed(..))
        };
        let last = log.iter().rposition(executed).expect("its app answered");
        log.truncate(last + 1);
    }

    /// What a member certified is on its disk, as a driver keeps it, before its log is compacted.
    pub fn keep_ledger(&mut self, id: usize) {
        let node = &mut self.nodes[id];
        node.durable = node.ledger.len();
    }

    /// Takes a member's disk away, but for its keys: it will know that it has forgotten.
    pub fn forget(&mut self, id: usize) {
        self.crash(id);
        let node = &mut self.nodes[id];
        let record = Record::Abstaining(Abstention::Unbounded);
        node.log.synced = vec![record.encode().to_vec()];
        (node.ledger, node.durable, node.app) = (Vec::new(), 0, 0);
        node.certificates.clear();
    }

    /// The members.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The certificate that a member has for the tree at the end of a sequence.
    pub fn certificate(&self, id: usize, sequence: u64) -> Option<Certificate> {
        let certificates = &self.nodes[id].certificates;
        certificates.get(&Sequence(sequence)).cloned()
    }

    /// What a member checks signatures with.
    pub fn authority(&self, id: usize) -> Arc<dyn Authority> {
        Arc::clone(&self.nodes[id].authority)
    }

    /// A client's request at a gateway.
    pub fn request(&mut self, gateway: usize, key: &str, target: &str) -> Request {
        let request = Request {
            method: "POST".into(),
            target: target.into(),
            headers: vec![],
            body: Bytes::from_static(b"1"),
            key: key.into(),
            key_source: KeySource::Client,
        };
        self.handle(gateway, Event::Admitted(vec![request.clone()]));
        request
    }

    pub fn handle(&mut self, id: usize, event: Event) {
        self.handle_all(id, [event]);
    }

    /// Several events in one step, as a driver hands over what came while it wrote its log.
    pub fn handle_all(&mut self, id: usize, events: impl IntoIterator<Item = Event>) {
        let time = self.time();
        let mut effects = Effects::default();
        let Some(replica) = self.nodes[id].replica.as_mut() else {
            return;
        };
        for event in events {
            replica.handle(time, event, &mut effects);
        }
        self.carry_out(id, effects);
    }

    fn carry_out(&mut self, id: usize, effects: Effects) {
        let node = &mut self.nodes[id];
        let Some(replica) = node.replica.as_ref() else {
            return;
        };
        let before = node.log.records().count();
        let Ok(released) = replica.commit(effects, &mut node.log);
        let judge = (&replica.origin_digest(), node.authority.as_ref());
        self.talk.note(id, &released, judge);
        for record in node.log.records().skip(before) {
            self.talk.note_record(id, record);
        }
        self.send(id, &released);
        let node = &mut self.nodes[id];
        node.ledger.extend(released.settlements);
        for certificate in released.certificates {
            node.certificates.insert(certificate.sequence, certificate);
        }
        let runnable = released.executions.into_iter();
        node.executions
            .extend(runnable.filter(|execution| execution.recorded.is_none()));
        self.notices
            .extend(released.notices.into_iter().map(|notice| (id, notice)));
        if let Some(compaction) = released.compaction {
            self.nodes[id].compact(&compaction.base);
        }
        for (envelope, sealed) in released.envelopes.into_iter().zip(released.sealed) {
            let count = envelope.messages.len();
            let shared = SharedFrame::sealed(envelope, vec![], &sealed);
            assert_eq!(shared.messages().map(<[_]>::len), Some(count));
            self.handle(id, Event::Sealed(sealed));
        }
    }

    fn send(&mut self, id: usize, released: &Released) {
        for (group, envelope) in released.messages.iter().zip(&released.envelopes) {
            let withheld = |message: &Message| self.withheld.contains(&(id, message.kind()));
            if group.iter().any(withheld) {
                continue;
            }
            for peer in (0..self.nodes.len()).filter(|peer| *peer != id) {
                let batches = released.batches.clone();
                let frame = Frame::Envelope {
                    envelope: envelope.clone(),
                    batches,
                };
                self.post(id, peer, frame, proposes(group));
            }
        }
        for (peer, frame) in &released.direct {
            assert_ne!(*peer, replica_id(id), "nobody asks itself: {frame:?}");
            let frame = self.without_withheld(id, frame.clone());
            self.post(id, usize::from(peer.0), frame, false);
        }
    }

    /// Puts a frame on its way; without latency it is there as soon as anybody looks.
    fn post(&mut self, from: usize, to: usize, frame: Frame, proposes: bool) {
        self.posted += 1;
        let (least, spread) = self.latency;
        let share = u32::try_from(self.posted.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48).unwrap();
        let stall = self.stalls.get(&from).filter(|_| proposes);
        let takes = least + spread * share / 65536 + stall.copied().unwrap_or_default();
        if takes.is_zero() {
            self.wire.push_back((from, to, frame));
        } else {
            let at = (self.now + takes, self.posted);
            self.late.insert(at, (from, to, frame));
        }
    }

    /// What is withheld is not resent either.
    fn without_withheld(&self, id: usize, frame: Frame) -> Frame {
        let Frame::Relay(mut messages) = frame else {
            return frame;
        };
        let Some(replica) = self.nodes[id].replica.as_ref() else {
            return Frame::Relay(messages);
        };
        let origin = replica.origin_digest();
        messages.retain(|signed| {
            let opened = open_one(&origin, signed, self.nodes[id].authority.as_ref()).unwrap();
            !self.withheld.contains(&(id, opened.body().kind()))
        });
        Frame::Relay(messages)
    }

    /// Delivers, loses or repeats one frame, out of order, or runs one app.
    pub fn step(&mut self, random: &mut impl FnMut(usize) -> usize) {
        if self.wire.is_empty() || random(8) == 0 {
            self.run_apps();
            return;
        }
        let place = random(self.wire.len().min(12));
        let Some((from, to, frame)) = self.wire.remove(place) else {
            return;
        };
        match random(16) {
            0 => {}
            1 => {
                self.wire.push_back((from, to, frame.clone()));
                self.deliver(from, to, frame);
            }
            _ => self.deliver(from, to, frame),
        }
    }

    /// Lets a little time pass without delivering anything.
    pub fn tick(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        for id in 0..self.nodes.len() {
            let due = self.nodes[id].replica.as_ref().map(Replica::next_deadline);
            if due.is_some_and(|due| due <= self.now) {
                self.handle(id, Event::Tick);
            }
        }
    }

    /// Delivers everything and runs the apps until nothing moves. Time stands still.
    pub fn stabilize(&mut self) {
        for _ in 0..200_000 {
            if let Some((from, to, frame)) = self.wire.pop_front() {
                self.deliver(from, to, frame);
            } else if !self.run_apps() {
                return;
            }
        }
        panic!("the group never came to rest");
    }

    #[allow(clippy::needless_pass_by_value, reason = "a frame is delivered once")]
    fn deliver(&mut self, from: usize, to: usize, frame: Frame) {
        if self.cut.contains(&(from, to)) || self.nodes[from].replica.is_none() {
            return;
        }
        // Through bytes, as over a real link.
        let frame = Frame::decode(&frame.encode()).expect("a frame decodes");
        if let Frame::Fetch(Fetch::Entries(first)) = frame {
            let entries = self.nodes[to].entries(first);
            if !entries.is_empty() {
                self.wire
                    .push_back((to, from, Frame::Supply(Supply::Entries(entries))));
            }
            return;
        }
        let from = replica_id(from);
        self.handle_all(to, [Event::Received { from, frame }, Event::Tick]);
    }

    fn run_apps(&mut self) -> bool {
        let mut moved = false;
        for id in 0..self.nodes.len() {
            let node = &mut self.nodes[id];
            if node.paused_app || node.replica.is_none() {
                continue;
            }
            if let Some(execution) = node.executions.pop_front() {
                let outcomes = node.run(&execution, &self.membership);
                let sequence = execution.sequence;
                self.handle(id, Event::Executed { sequence, outcomes });
                moved = true;
            }
        }
        moved
    }

    /// Moves time in steps, delivering all that each brings about.
    pub fn advance(&mut self, duration: Duration) {
        self.advance_by(duration, Duration::from_millis(50));
    }

    pub fn advance_by(&mut self, duration: Duration, step: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now = end.min(self.now + step);
            let later = self.late.split_off(&(self.now, u64::MAX));
            let due = std::mem::replace(&mut self.late, later);
            self.wire.extend(due.into_values());
            for id in 0..self.nodes.len() {
                let due = self.nodes[id].replica.as_ref().map(Replica::next_deadline);
                if due.is_some_and(|due| due <= self.now) {
                    self.handle(id, Event::Tick);
                }
            }
            self.stabilize();
        }
    }

    pub fn isolate(&mut self, id: usize) {
        for peer in (0..self.nodes.len()).filter(|peer| *peer != id) {
            self.cut.insert((id, peer));
            self.cut.insert((peer, id));
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
        self.withheld.clear();
    }

    /// How often the app of a member was called.
    pub fn calls(&self, id: usize) -> u64 {
        self.nodes[id].app
    }
}

impl Node {
    fn new(id: usize, authority: Arc<dyn Authority>) -> Self {
        Self {
            replica: None,
            log: MemoryLog::default(),
            authority,
            ledger: Vec::new(),
            certificates: BTreeMap::new(),
            durable: 0,
            executions: VecDeque::new(),
            app: 0,
            id,
            lying_app: false,
            odd_app: false,
            long_field: 0,
            paused_app: false,
        }
    }

    fn compact(&mut self, base: &[Record]) {
        self.durable = self.ledger.len();
        self.log.synced = base.iter().map(|record| record.encode().to_vec()).collect();
    }

    fn recovered(&mut self) -> Recovered {
        let decode = |bytes: &Vec<u8>| Record::decode(bytes).expect("a record decodes");
        let records: Vec<Record> = self.log.synced.iter().map(decode).collect();
        let mut ledger = LedgerState::default();
        let mut frontier = Frontier::new();
        for settlement in &self.ledger {
            for leaf in settlement
                .answers
                .iter()
                .map(|settled| settled.answer.leaf_hash())
            {
                frontier.append(leaf);
            }
            frontier.append(leaf_hash(&settlement.batch_leaf));
            ledger.sequence = settlement.sequence;
            (ledger.time, ledger.ordinal) = (settlement.time, settlement.ordinal);
            ledger.forgotten = settlement.forgotten;
            ledger.keys.extend(remembered(settlement));
        }
        ledger.certified = ledger.sequence;
        ledger.frontier = frontier;
        let stable = records.iter().rev().find_map(|record| match record {
            Record::Stable(stable) => Some((**stable).clone()),
            _ => None,
        });
        // Each member has it from its ledger or from its log alone.
        let noted = stable.filter(|_| self.id.is_multiple_of(2));
        ledger.stable = noted.filter(|it| it.certificate.sequence <= ledger.sequence);
        Recovered { ledger, records }
    }

    /// What a driver supplies from its ledger.
    pub fn entries(&self, first: Sequence) -> Vec<Entry> {
        let above = self
            .ledger
            .iter()
            .filter(|settlement| settlement.sequence >= first);
        above
            .take(8)
            .filter_map(|settlement| self.entry(settlement))
            .collect()
    }

    fn entry(&self, settlement: &Settlement) -> Option<Entry> {
        let (_, certificate) = self.certificates.range(settlement.sequence..).next()?;
        let commit = CommitCertificate::decode(&settlement.commit_certificate)?;
        Some(Entry {
            batch: settlement.batch.clone(),
            requests: settlement.requests.clone(),
            commit,
            answers: settlement.answers.clone(),
            certificate: certificate.clone(),
        })
    }

    /// The app: counts its calls and answers with the count.
    fn run(&mut self, execution: &Execution, membership: &Membership) -> Vec<Outcome> {
        let id = self.id;
        let mut outcomes = Vec::new();
        for item in &execution.items {
            let body = match item.verdict {
                Verdict::Reused => "reused".to_owned(),
                Verdict::Limit(limit) => format!("{limit:?}"),
                Verdict::Call { ordinal } if ordinal <= self.app => "again".to_owned(),
                Verdict::Call { ordinal } => {
                    assert_eq!(
                        ordinal,
                        self.app + 1,
                        "the app is called in order, once each"
                    );
                    self.app = ordinal;
                    let odd = self.odd_app && !item.request.target.starts_with("/even");
                    let odd = odd.then(|| format!("app {id} says "));
                    let lie = self.lying_app.then(|| "lie ".to_owned());
                    format!("{}{ordinal}", odd.or(lie).unwrap_or_default())
                }
            };
            let answer = answer(execution, item.index, body, self.long_field, membership);
            outcomes.push(Outcome::Answer(answer));
        }
        outcomes
    }
}

fn proposes(messages: &[Message]) -> bool {
    let proposal = |message: &Message| matches!(message, Message::PrePrepare(_));
    messages.iter().any(proposal)
}

fn remembered(settlement: &Settlement) -> Vec<RememberedKey> {
    let calls = settlement.answers.iter().zip(0..);
    calls
        .filter(|(settled, _)| matches!(settled.verdict, Verdict::Call { .. }))
        .map(|(settled, index)| RememberedKey {
            key_hash: settled.key_hash,
            request_id: settled.request_id,
            sequence: settlement.sequence,
            index,
            expires: settled.expires,
            gateway: settled.gateway,
        })
        .collect()
}

pub fn replica_id(id: usize) -> ReplicaId {
    ReplicaId(u8::try_from(id).unwrap())
}
