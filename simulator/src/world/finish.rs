//! The end of a run: everything answered, nothing moving, and the checkers of whole histories.

use std::time::Duration;

use byzantine_consensus::limits::KNOWN_REQUESTS;
use byzantine_consensus::{Abstention, Replica, ReplicaId, Standing};

use super::{HEALED_LIMIT, Happening, Report, World};
use crate::adversary::AttackKind;
use crate::check::{Violation, ledgers_agree, linearizable, witness};
use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::plan::{MILLISECOND, SECOND};

/// What clocks may be wrong in all, in milliseconds: far less than what a liar would gain from.
const HOUR: u64 = 3_600_000;

impl World {
    /// The replicas that were healed and are correct: everything is up to them.
    fn healthy(&self) -> Vec<usize> {
        self.whole()
    }

    fn standings(&self) -> Vec<Standing> {
        let nodes = self
            .healthy()
            .into_iter()
            .map(|slot| &self.places[slot].node);
        nodes
            .filter_map(|node| Some(node.replica()?.standing()))
            .collect()
    }

    pub(super) fn highest_view(&self) -> u64 {
        self.standings()
            .iter()
            .map(|at| at.view.0)
            .max()
            .unwrap_or(0)
    }

    /// Replicas that abstain still, though nothing is broken any more that f must excuse but
    /// their memory: those must come back. Where somebody lies nothing is said of them, for one
    /// liar who claims to be far ahead can keep an abstainer silent, as long as f allows both.
    fn abstainers(&self) -> Vec<usize> {
        if !self.plan.liars.is_empty() {
            return Vec::new();
        }
        let members = 0..self.plan.options.members;
        members
            .filter(|slot| {
                let place = &self.places[*slot];
                let abstains = |it: &Replica| it.abstention().is_some();
                let comes_back = self.is_correct(*slot) && !place.remains;
                comes_back && place.node.replica().is_some_and(abstains)
            })
            .collect()
    }

    /// Whether everything is answered and at rest; that must be so in time.
    pub(super) fn is_finished(&mut self) -> Result<bool, Violation> {
        let healed = self.healed_at.unwrap_or(self.now);
        let answered = self.clients.unanswered() == 0;
        let limit = self.answers_take() + if answered { self.flood_drains() } else { 0 };
        if self.now > healed + limit {
            return Err(Violation::new("liveness", self.what_is_missing()));
        }
        Ok(answered && self.is_at_rest())
    }

    /// How long a healed quorum may take to answer all. Two clients whose messages take a quarter
    /// of a second each way ask one after the other: six times as many take six times as long.
    fn answers_take(&self) -> u64 {
        HEALED_LIMIT * self.plan.length()
    }

    /// How long what a liar let in may take in the end, besides. Where only one correct replica was
    /// given his flood, and the primary is his as well, that one suspects for each request in turn:
    /// the others learn of it then, and the primary orders it just in time.
    fn flood_drains(&self) -> u64 {
        let floods = self.plan.attack == Some(AttackKind::FloodRequests);
        let requests = if floods { KNOWN_REQUESTS } else { 0 };
        u64::try_from(requests).unwrap_or(0) * self.plan.timeouts[0] * MILLISECOND
    }

    fn is_at_rest(&self) -> bool {
        // A look at every replica costs more than most events: first those that are quick to tell.
        let nodes = self.places.iter().map(|place| &place.node);
        let mut waits = nodes.filter_map(|node| Some((node.id, node.replica()?)));
        if waits.any(|(id, replica)| replica.is_waiting() && !self.checks.spent.contains(&id)) {
            return false;
        }
        let standings = self.standings();
        let Some(first) = standings.first() else {
            return false;
        };
        let alike = |at: &Standing| {
            (first.root, first.view, first.certified) == (at.root, at.view, at.certified)
        };
        let rests = |at: &Standing| at.pooled == 0 && !at.changing && at.executed == at.certified;
        standings.len() == self.healthy().len()
            && standings.iter().all(|at| rests(at) && alike(at))
            && self.abstainers_follow(alike)
    }

    /// Who abstains takes no part, and yet must be where the others are.
    fn abstainers_follow(&self, alike: impl Fn(&Standing) -> bool) -> bool {
        let mut replicas = self.abstainers().into_iter();
        replicas.all(|slot| {
            let replica = self.places[slot].node.replica();
            replica.is_some_and(|replica| alike(&replica.standing()))
        })
    }

    /// Whether an abstainer does not vote again yet. In some sizes it may wait for a view that too
    /// few others want: so long as they stay below it, so does it.
    fn waits_for_memory(&self) -> bool {
        let highest = self.highest_view();
        let (n, f, q) = (
            self.plan.options.members,
            self.plan.faulty,
            self.plan.quorum(),
        );
        // Those whose word makes it wait for a view, and it, are enough to bring that about.
        let enough = 2 * q + 1 - n - f + 1 >= q;
        self.abstainers().into_iter().any(|slot| {
            let replica = self.places[slot].node.replica();
            match replica.and_then(Replica::abstention) {
                Some(Abstention::Until { view, .. }) => view.0 <= highest || enough,
                Some(Abstention::Unbounded) => true,
                None => false,
            }
        })
    }

    /// Whoever lost its memory votes again, once nothing else is broken and there is work: an idle
    /// group keeps a primary that abstains, as it keeps one that is down.
    fn vote_again_in_the_end(&mut self) -> Result<(), Violation> {
        if self.abstainers().is_empty() {
            return Ok(());
        }
        self.trace.count("one more for abstainers");
        self.clients.want_one_more();
        self.at(MILLISECOND, Happening::Invoke(0));
        let limit = self.now + HEALED_LIMIT;
        while self.waits_for_memory() || self.clients.unanswered() > 0 {
            if !self.advance(limit)? {
                let silent = self.abstainers();
                let detail = format!("{silent:?} abstain for ever; {}", self.what_is_missing());
                return Err(Violation::new("votes-again", detail));
            }
        }
        self.come_to_rest()
    }

    fn what_is_missing(&self) -> String {
        let unanswered = self.clients.unanswered();
        let mut text = format!("{unanswered} requests are unanswered");
        for slot in 0..self.places.len() {
            let node = &self.places[slot].node;
            let state = node.replica().map_or_else(
                || "is down".to_owned(),
                |replica| {
                    let at = replica.standing();
                    format!(
                        "view {}{} committed {} executed {} settled {} certified {} pooled {}",
                        at.view,
                        if at.changing { "?" } else { "" },
                        at.committed,
                        at.executed,
                        at.settled,
                        at.certified,
                        at.pooled
                    )
                },
            );
            let role = if self.is_correct(slot) {
                ""
            } else {
                " (faulty)"
            };
            text = format!("{text}; r{}{role} {state}", node.id);
        }
        text
    }

    /// Everything was answered: views must come to an end, and the whole history be sound.
    pub(super) fn finish(&mut self) -> Result<(), Violation> {
        let answered_at = self.now;
        self.grow_quiet()?;
        self.live_another_day()?;
        self.vote_again_in_the_end()?;
        self.now = answered_at;
        self.stays_bounded()?;
        let correct = self
            .places
            .iter()
            .filter(|place| self.checks.is_correct(place.node.id));
        let ledgers: Vec<(ReplicaId, &Ledger)> = correct
            .map(|place| (place.node.id, &place.node.ledger))
            .collect();
        let longest = ledgers_agree(&self.checks, &ledgers)?;
        let latest = self.places[0].node.wall_clock(self.now) + HOUR;
        self.checks.judged(&longest, latest)?;
        for place in &self.places {
            for (request, reached) in &place.node.let_in {
                self.checks.asked(place.node.id, *request, *reached);
            }
        }
        self.checks.charged(&longest, self.plan.keys)?;
        let calls = &self.clients.calls;
        let (bank, runs) = witness(&longest, calls, self.plan.keys, self.checks.odd_apps)?;
        if runs.values().any(|places| places.len() > 1) {
            self.trace.count("ran anew");
        }
        if !self.checks.odd_apps {
            match linearizable(calls, &runs) {
                Some(judged) => judged?,
                None => self.trace.count("history too tangled"),
            }
        }
        // A rebuilt app skips what a verdict settled, so odd apps need not agree.
        if self.checks.odd_apps {
            Ok(())
        } else {
            self.apps_agree(&bank)
        }
    }

    /// Everything that a replica holds is bounded by its window, its pool and the members.
    fn stays_bounded(&self) -> Result<(), Violation> {
        let members = self.plan.options.members;
        let window = usize::try_from(2 * self.plan.checkpoint_interval).unwrap_or(usize::MAX);
        let most = window * (members + 20) + 2 * KNOWN_REQUESTS * members;
        for slot in self.healthy() {
            let held = self.places[slot].node.held();
            let pooled = self.places[slot]
                .node
                .replica()
                .map_or(0, |it| it.standing().pooled);
            if held > most || pooled > KNOWN_REQUESTS * members {
                let detail = format!("replica {slot} holds {held} records, {pooled} requests");
                return Err(Violation::new("bounds", detail));
            }
        }
        Ok(())
    }

    /// Lets time pass until then.
    fn rest(&mut self, until: u64) -> Result<(), Violation> {
        while self.advance(until)? {}
        Ok(())
    }

    /// What was suspected before may still end a view or two, and liars' requests some more; then
    /// no view follows another.
    fn grow_quiet(&mut self) -> Result<(), Violation> {
        let quiet = 2 * self.plan.timeouts[0] * MILLISECOND + SECOND;
        let first = self.highest_view();
        for _ in 0..=2 * self.plan.options.members {
            let view = self.highest_view();
            self.rest(self.now + quiet)?;
            if self.highest_view() == view {
                return self.come_to_rest();
            }
            self.come_to_rest()?;
        }
        let last = self.highest_view();
        let detail = format!("views go on from {first} to {last}");
        Err(Violation::new("quiet", detail))
    }

    /// A liar's gateway may send requests for ever; once it stops, all must come to rest.
    fn come_to_rest(&mut self) -> Result<(), Violation> {
        let limit = self.now + HEALED_LIMIT + self.flood_drains();
        self.resting = true;
        while !self.is_at_rest() {
            if !self.advance(limit)? {
                return Err(Violation::new("liveness", self.what_is_missing()));
            }
        }
        Ok(())
    }

    /// Where gateways have few keys: later all of them are forgotten, and everybody is served.
    /// A liar, or a disk that went back, may bring an old request again then.
    fn live_another_day(&mut self) -> Result<(), Violation> {
        if !self.plan.faults.has(Fault::FewKeys) || !self.checks.faulty.is_empty() {
            return Ok(());
        }
        self.trace.count("another day");
        let passed = self.plan.keys.client + Duration::from_secs(1);
        self.pass(passed);
        self.clients.want_more();
        for client in 0..self.plan.clients {
            self.at(SECOND, Happening::Invoke(client));
        }
        let limit = self.now + HEALED_LIMIT;
        while self.clients.unanswered() > 0 {
            if !self.advance(limit)? {
                return Err(Violation::new("liveness", self.what_is_missing()));
            }
        }
        self.come_to_rest()
    }

    fn apps_agree(&self, bank: &crate::app::Bank) -> Result<(), Violation> {
        for slot in self.healthy() {
            let node = &self.places[slot].node;
            let app = &node.executor.bank;
            if app.applied == bank.applied && app.balances != bank.balances {
                let detail = format!("the app of replica {} is not where it should be", node.id);
                return Err(Violation::new("state", detail));
            }
        }
        Ok(())
    }

    pub(super) fn report(mut self, violation: Option<Violation>) -> Report {
        if let Some(violation) = &violation {
            let (invariant, detail) = (violation.invariant, violation.detail.clone());
            self.trace
                .line(self.now, || format!("!! {invariant}: {detail}"));
        }
        let calls = self.clients.calls.iter();
        let returned = calls.filter_map(|call| call.returned.as_ref());
        let mut times: Vec<u64> = returned.map(|it| it.at).collect();
        times.sort_unstable();
        let answered = times.len();
        let middle = times.get(answered / 2).copied().unwrap_or(0);
        let busy = times.last().copied().unwrap_or(0) - middle;
        let healed = self.healed_at.unwrap_or(self.now);
        let views = self.highest_view().saturating_sub(self.view_at_healing);
        Report {
            violation,
            hash: self.trace.hash(),
            events: self.trace.events(),
            counts: self.trace.take_counts(),
            ended: self.now,
            healed_in: self.now.saturating_sub(healed),
            views,
            answered,
            busy,
        }
    }
}
