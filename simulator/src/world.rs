//! One world: replicas, network, disks, clocks, clients and chance, in one thread and in virtual
//! time. A run is a function of its plan alone.
//!
//! First comes chaos. Then a quorum is healed, and must answer every request and come to rest.

mod carry;
mod disturb;
mod finish;
mod happening;
mod lie;
mod limits;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use byzantine_consensus::{Digest, Membership, Notice, ReplicaId, Settlement, Verdict};

use crate::adversary::{Attack, Heard};
use crate::authority::{Notary, Signer};
use crate::check::{Checks, Violation};
use crate::client::Clients;
use crate::executor::{Accident, Answers};
use crate::fault::Fault;
use crate::member::{keys, membership};
use crate::network::Network;
use crate::node::{Backup, Input, Node, Started, Stopped};
use crate::plan::{MILLISECOND, Options, Plan, SECOND};
use crate::random::Random;
use crate::trace::Trace;
use happening::Happening;

/// The most events of one run: far more than any that ends.
const MOST_EVENTS: u64 = 3_000_000;

/// How long a healed quorum may take until [`REQUESTS`](crate::plan::REQUESTS) are answered, or
/// whatever else must come to an end has.
const HEALED_LIMIT: u64 = 600 * SECOND;

/// Later than everything.
const NEVER: u64 = u64::MAX;

/// An event in the queue; those of one moment keep the order in which they were made.
struct Queued(u64, u64, Happening);

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// Over every event.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    /// How often each fault, message, rejection and notice occurred.
    pub counts: BTreeMap<String, u64>,
    /// Virtual time at the end, in microseconds.
    pub ended: u64,
    /// When everything was answered after the healing, in microseconds since then.
    pub healed_in: u64,
    /// Views passed after the healing.
    pub views: u64,
    /// Requests answered.
    pub answered: usize,
    /// Virtual time from the answer in the middle to the last one, in microseconds: by then clients
    /// know which gateways are silent.
    pub busy: u64,
}

/// Runs one seed. A panic of the core is a violation like any other.
pub fn run(options: &Options, verbose: bool) -> Report {
    crate::sabotage::switch(options.bug);
    let mut world = World::new(Plan::of(options), verbose);
    let played = catch_unwind(AssertUnwindSafe(|| world.play()));
    let violation = match played {
        Ok(outcome) => outcome.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Some(Violation::new(
                "no-panic",
                text.unwrap_or("a panic without words"),
            ))
        }
    };
    world.report(violation)
}

struct Place {
    node: Node,
    busy_until: u64,
    paused_until: u64,
    accident: Option<Accident>,
    backup: Option<Box<Backup>>,
    /// Whether the app is at work.
    running: bool,
    /// Whether it stays down after the healing.
    remains: bool,
    /// When it may lie the next time without being asked.
    injects_at: u64,
}

struct World {
    plan: Plan,
    now: u64,
    queue: BinaryHeap<Reverse<Queued>>,
    queued: u64,
    places: Vec<Place>,
    /// When each place wakes the next time; beside the queue, since that changes all the time.
    wakes: Vec<u64>,
    network: Network,
    clients: Clients,
    checks: Checks,
    trace: Trace,
    notary: Arc<Notary>,
    membership: Membership,
    /// What every signature covers.
    origin: Digest,
    random: Random,
    disk_random: Random,
    attack: Option<Box<dyn Attack>>,
    lie_random: Random,
    heard: Heard,
    /// Which twin each member talks to.
    sides: Vec<bool>,
    healed_at: Option<u64>,
    view_at_healing: u64,
    /// Liars add nothing any more.
    resting: bool,
    /// How many milliseconds passed at once so far.
    days: i64,
    /// Frames that they added.
    injected: usize,
}

impl World {
    fn new(plan: Plan, verbose: bool) -> Self {
        let (members, seed) = (plan.options.members, plan.options.seed);
        let membership = membership(members, plan.faulty, plan.reply_quorum);
        let notary = Arc::new(Notary::default());
        let twin = plan.liars.first().filter(|_| plan.faults.has(Fault::Twin));
        let owners = (0..members).chain(twin.copied());
        let answers = Answers::default();
        let places: Vec<Place> = owners
            .map(|member| {
                let id = replica_id(member);
                let keys = plan.real_keys.then(|| keys(&membership, member));
                let signer = Arc::new(Signer::new(id, Arc::clone(&notary), keys));
                let node = Node::new(id, &plan, membership.clone(), signer, answers.clone());
                Place::new(node)
            })
            .collect();
        let mut checks = Checks::default();
        checks.faulty = plan.liars.iter().map(|liar| replica_id(*liar)).collect();
        checks.spent.clone_from(&checks.faulty);
        checks.tolerated = plan.faulty;
        checks.members = members;
        let mut trace = Trace::default();
        trace.verbose = verbose;
        Self {
            now: 0,
            queue: BinaryHeap::new(),
            queued: 0,
            wakes: vec![NEVER; places.len()],
            network: Network::new(&plan, places.len()),
            clients: Clients::new(&plan),
            random: Random::new(seed, "world"),
            disk_random: Random::new(seed, "disks"),
            lie_random: Random::new(seed, "lies"),
            attack: plan.attack.map(crate::adversary::AttackKind::attack),
            heard: Heard::default(),
            sides: vec![false; members],
            healed_at: None,
            view_at_healing: 0,
            resting: false,
            days: 0,
            injected: 0,
            places,
            checks,
            trace,
            notary,
            origin: crate::member::origin(&membership),
            membership,
            plan,
        }
    }

    fn play(&mut self) -> Result<(), Violation> {
        self.begin()?;
        while self.advance(u64::MAX)? {
            if self.trace.events() > MOST_EVENTS {
                return Err(Violation::new("bounds", "the run never comes to rest"));
            }
            if self.healed_at.is_some() && self.is_finished()? {
                return self.finish();
            }
        }
        Err(Violation::new("liveness", "nothing happens any more"))
    }

    /// The next event, if there is one until then. What arrives at the moment of a wake is there
    /// when the replica wakes.
    fn advance(&mut self, until: u64) -> Result<bool, Violation> {
        let wakes = self.wakes.iter().copied().zip(0..);
        let (wake, slot) = wakes.min().unwrap_or((NEVER, 0));
        let next = self.queue.peek().map_or(NEVER, |next| next.0.0);
        if wake.min(next) > until || wake.min(next) == NEVER {
            return Ok(false);
        }
        if wake < next {
            self.now = wake;
            self.trace.event([wake, 0, 2, slot as u64]);
            self.wake(slot)?;
        } else if let Some(Reverse(Queued(at, order, happening))) = self.queue.pop() {
            self.now = at;
            let (kind, place) = happening.fingerprint();
            self.trace.event([at, order, kind, place]);
            self.happen(happening)?;
        }
        Ok(true)
    }

    fn begin(&mut self) -> Result<(), Violation> {
        self.trace.line(0, || format!("{:?}", self.plan));
        self.begin_faults();
        for slot in 0..self.places.len() {
            self.start(slot)?;
        }
        for client in 0..self.plan.clients {
            let at = self.random.below(100 * MILLISECOND);
            self.at(at, Happening::Invoke(client));
        }
        self.at(self.plan.disturbance / 4, Happening::Disturb);
        self.at(self.plan.chaos, Happening::Heal);
        Ok(())
    }

    fn at(&mut self, delay: u64, happening: Happening) {
        self.queued += 1;
        self.queue
            .push(Reverse(Queued(self.now + delay, self.queued, happening)));
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::Deliver { from, to, frame } => self.deliver(from, to, frame),
            Happening::RunApp { slot, life } => return self.run_app(slot, life),
            Happening::Restart(slot) => return self.start(slot),
            Happening::Connect { slot, peer } => self.connect(slot, peer),
            Happening::Invoke(client) => self.invoke(client),
            Happening::Submit {
                client,
                gateway,
                request,
            } => self.submit(client, gateway, *request),
            Happening::Impatience {
                client,
                call,
                attempt,
            } => self.grow_impatient(client, call, attempt),
            Happening::Reply { client, id, proven } => self.reply(client, &id, &proven),
            Happening::Disturb => self.disturb(),
            Happening::Heal => return self.heal(),
        }
        Ok(())
    }

    /// One tick of a replica's driver.
    fn wake(&mut self, slot: usize) -> Result<(), Violation> {
        self.wakes[slot] = NEVER;
        let place = &mut self.places[slot];
        if !place.node.is_up() {
            return Ok(());
        }
        let stepped = place.node.step(self.now);
        let mut cosigned = self.notary.take_cosigned();
        // What a correct replica cosigned counts once it leaves; a crash may come before.
        cosigned.retain(|made| !self.checks.is_correct(made.by));
        self.checks.cosigned(&cosigned)?;
        let mut turn = match stepped {
            Ok(turn) => turn,
            Err(Stopped::Ledger(how)) if self.is_correct(slot) => {
                return Err(Violation::new("ledger", how));
            }
            Err(Stopped::Ledger(_) | Stopped::Crashed) => {
                self.crash(slot, true);
                return Ok(());
            }
        };
        self.check_turn(slot, &turn)?;
        let busy = if turn.wrote {
            self.random.between(20, self.plan.sync)
        } else {
            10
        };
        self.places[slot].busy_until = self.now + busy;
        let compaction = turn.compaction.take();
        self.carry_out(slot, turn, busy);
        let node = &mut self.places[slot].node;
        if compaction.is_some_and(|compaction| node.compact(&compaction).is_err()) {
            self.crash(slot, true);
            return Ok(());
        }
        self.start_app(slot);
        self.plan_wake(slot);
        Ok(())
    }

    fn check_turn(&mut self, slot: usize, turn: &crate::node::Turn) -> Result<(), Violation> {
        let id = self.places[slot].node.id;
        for (_, messages) in &turn.envelopes {
            self.checks.signed(id, messages)?;
            self.checks.attested(id, messages)?;
            self.checks.ordered(id, messages)?;
            self.checks.answered(id, messages);
            for message in messages {
                self.trace.count(message.kind());
            }
        }
        self.checks.dispatched(id, &turn.dispatched)?;
        self.checks.settled(id, &turn.settlements)?;
        self.checks.refused(id, &turn.replies)?;
        self.count_verdicts(&turn.settlements);
        self.stays_within_limits(slot, turn)?;
        for notice in &turn.notices {
            self.count_notice(slot, notice);
            self.checks.noticed(id, notice)?;
            self.needs_few_views(slot, notice)?;
        }
        Ok(())
    }

    fn count_verdicts(&mut self, settlements: &[Settlement]) {
        for settled in settlements.iter().flat_map(|it| &it.answers) {
            match settled.verdict {
                Verdict::Call { .. } => {}
                Verdict::Reused => self.trace.count("verdict reused"),
                Verdict::Limit(_) => self.trace.count("verdict limit"),
            }
        }
    }

    fn count_notice(&mut self, slot: usize, notice: &Notice) {
        let name = match notice {
            Notice::Rejected { rejection, .. } => rejection.label(),
            Notice::Equivocated { .. } => "notice equivocated",
            Notice::Differs { .. } => "notice differs",
            Notice::Outvoted { .. } => "notice outvoted",
            Notice::Suspected { .. } => "notice suspected",
            Notice::ViewChangeStarted { .. } => "notice view change",
            Notice::ViewEntered(_) => "notice view entered",
            Notice::CaughtUp(_) => "notice caught up",
            Notice::Promised { .. } => "notice promised",
            Notice::Resolved { .. } => "notice resolved",
            Notice::VotesAgain { .. } => {
                self.vote_again(slot);
                "notice votes again"
            }
            _ => return,
        };
        self.trace.count(name);
        let id = self.places[slot].node.id;
        self.trace
            .line(self.now, || format!("r{id} {}", say(notice)));
    }

    /// A replica that abstained is whole again, unless it lies or its disk was rolled back.
    fn vote_again(&mut self, slot: usize) {
        if self.is_correct(slot) && !self.places[slot].remains {
            self.checks.spent.remove(&self.places[slot].node.id);
        }
    }

    /// Sees to it that a replica's next step comes in time.
    fn plan_wake(&mut self, slot: usize) {
        let place = &self.places[slot];
        if !place.node.is_up() {
            return;
        }
        let due = if place.node.has_pending() {
            self.now
        } else if !place.node.inbox.is_empty() {
            self.now + self.plan.nap
        } else {
            place.node.deadline().unwrap_or(self.now)
        };
        self.wake_at(slot, due);
    }

    fn wake_at(&mut self, slot: usize, at: u64) {
        let place = &self.places[slot];
        let at = at
            .max(place.busy_until)
            .max(place.paused_until)
            .max(self.now);
        self.wakes[slot] = self.wakes[slot].min(at);
    }

    fn input(&mut self, slot: usize, input: Input) {
        if self.places[slot].node.is_up() {
            self.places[slot].node.inbox.push(input);
            self.wake_at(slot, self.now + self.plan.nap);
        }
    }

    fn start(&mut self, slot: usize) -> Result<(), Violation> {
        let healing = self.healed_at.is_some();
        let place = &mut self.places[slot];
        if place.node.is_up() || (healing && place.remains) {
            return Ok(());
        }
        let started = place.node.start(self.now);
        (place.busy_until, place.running) = (self.now, false);
        self.wakes[slot] = NEVER;
        let id = place.node.id;
        self.trace
            .line(self.now, || format!("r{id} starts: {started:?}"));
        match started {
            Started::Running => {}
            Started::Failed => {
                self.at(100 * MILLISECOND, Happening::Restart(slot));
                return Ok(());
            }
            Started::Abstaining(lost) => self.note_abstaining(slot, lost)?,
            Started::Broken(how) => return Err(Violation::new("journal", how)),
        }
        self.plan_wake(slot);
        for peer in 0..self.places.len() {
            let other = &self.places[peer].node;
            if other.id != id && other.is_up() {
                self.at(MILLISECOND, Happening::Connect { slot, peer });
                self.at(
                    MILLISECOND,
                    Happening::Connect {
                        slot: peer,
                        peer: slot,
                    },
                );
            }
        }
        Ok(())
    }

    /// Memory is lost: only a broken disk excuses that.
    fn note_abstaining(&mut self, slot: usize, lost: String) -> Result<(), Violation> {
        self.trace.count("abstaining");
        if self.checks.spent.contains(&self.places[slot].node.id) {
            return Ok(());
        }
        Err(Violation::new("journal", lost))
    }

    fn connect(&mut self, slot: usize, peer: usize) {
        if !self.network.is_cut(peer, slot) && self.places[peer].node.is_up() {
            let peer = self.places[peer].node.id;
            self.input(slot, Input::Connected(peer));
        }
    }

    fn is_correct(&self, slot: usize) -> bool {
        self.checks.is_correct(self.places[slot].node.id)
    }

    fn crash(&mut self, slot: usize, power: bool) {
        let place = &mut self.places[slot];
        let random = power.then_some(&mut self.disk_random);
        // What is noted beside the log is not synced; losing it costs answers, not safety.
        place.node.crash(random, !power);
        (place.running, place.accident) = (false, None);
        let id = place.node.id;
        self.trace
            .line(self.now, || format!("r{id} crashes, power {}", !power));
        let down = self.random.between(10 * MILLISECOND, 2 * SECOND);
        self.at(down, Happening::Restart(slot));
    }
}

impl Place {
    const fn new(node: Node) -> Self {
        Self {
            node,
            busy_until: 0,
            paused_until: 0,
            accident: None,
            backup: None,
            running: false,
            remains: false,
            injects_at: 0,
        }
    }
}

fn say(notice: &Notice) -> String {
    match notice {
        Notice::Differs {
            replica, sequence, ..
        } => format!("differs from r{replica} at s{sequence}"),
        other => format!("{other:?}"),
    }
}

/// The name of a member.
pub fn replica_id(member: usize) -> ReplicaId {
    ReplicaId(u8::try_from(member).expect("a membership has at most 256 members"))
}
