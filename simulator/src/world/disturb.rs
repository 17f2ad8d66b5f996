//! The nemesis: now and then it breaks something, within what the plan and f allow.

use std::time::Duration;

use super::{Happening, World};
use crate::check::Violation;
use crate::executor::{Accident, Oddness};
use crate::fault::Fault;

use crate::network::Sieve;
use crate::plan::{MILLISECOND, SECOND};
use crate::random::Random;

/// Faults that strike at a moment, rather than frame by frame.
const STRIKING: [Fault; 18] = [
    Fault::Partition,
    Fault::OneWay,
    Fault::Kill,
    Fault::Power,
    Fault::Blackout,
    Fault::DiskError,
    Fault::FlippedBit,
    Fault::Misdirected,
    Fault::BlankDisk,
    Fault::Rollback,
    Fault::Leap,
    Fault::Pause,
    Fault::AppBefore,
    Fault::AppAfter,
    Fault::AppRecorded,
    Fault::Twin,
    Fault::Sieve,
    Fault::DaysPass,
];

/// Faults that are there all the time.
const FROM_THE_START: [Fault; 5] = [
    Fault::Reorder,
    Fault::SlowApp,
    Fault::Liar,
    Fault::Mutation,
    Fault::KeyReuse,
];

impl World {
    /// What is broken from the start.
    pub(super) fn begin_faults(&mut self) {
        let members = self.plan.options.members;
        if self.plan.faults.has(Fault::Skew) {
            self.trace.count(Fault::Skew.name());
            for slot in 0..members {
                let most = self.plan.timeouts[2] / 2;
                let drawn = self.random.below(2 * most + 1);
                let skew = i64::try_from(drawn).unwrap_or(0) - i64::try_from(most).unwrap_or(0);
                self.places[slot].node.skew = skew;
            }
        }
        if self.plan.faults.has(Fault::FewKeys) {
            self.trace.count(Fault::FewKeys.name());
        }
        if self.plan.faults.has(Fault::OddApp) {
            self.begin_odd_apps();
        }
        for fault in FROM_THE_START {
            if self.plan.faults.has(fault) {
                self.trace.count(fault.name());
            }
        }
    }

    fn begin_odd_apps(&mut self) {
        self.trace.count(Fault::OddApp.name());
        self.checks.odd_apps = true;
        let mut random = Random::new(self.plan.options.seed, "odd apps");
        let manner = random.below(3);
        for (slot, place) in (0..).zip(&mut self.places) {
            let oddness = match manner {
                0 => Some(Oddness::Alone(slot)),
                // Only some of them are odd.
                1 => Some(Oddness::Alone(slot)).filter(|_| random.chance(400)),
                _ => Some(Oddness::OfThree(slot)),
            };
            place.node.executor.oddness = oddness;
        }
    }

    /// A replica whose disk may be broken: one that is already, or one more while f allows.
    fn victim(&mut self) -> Option<usize> {
        let members = self.plan.options.members;
        let spent: Vec<usize> = (0..members)
            .filter(|slot| self.checks.spent.contains(&self.places[*slot].node.id))
            .filter(|slot| !self.plan.liars.contains(slot))
            .collect();
        let spare = self.checks.spent.len() < self.plan.faulty;
        if spare && (spent.is_empty() || self.random.chance(300)) {
            let whole = self.whole();
            let slot = whole[self.random.place(whole.len())];
            self.checks.spent.insert(self.places[slot].node.id);
            return Some(slot);
        }
        (!spent.is_empty()).then(|| spent[self.random.place(spent.len())])
    }

    /// Replicas that f does not need to excuse.
    pub(super) fn whole(&self) -> Vec<usize> {
        let members = 0..self.plan.options.members;
        members
            .filter(|slot| !self.checks.spent.contains(&self.places[*slot].node.id))
            .collect()
    }

    /// One disturbance, and the next one planned.
    pub(super) fn disturb(&mut self) {
        if self.healed_at.is_some() {
            return;
        }
        let next = self.random.between(1, 2 * self.plan.disturbance);
        self.at(next, Happening::Disturb);
        if self.random.chance(300) {
            self.mend();
        }
        let present: Vec<Fault> = STRIKING
            .into_iter()
            .filter(|fault| self.plan.faults.has(*fault))
            .collect();
        if present.is_empty() {
            return;
        }
        let fault = self.random.pick(&present);
        self.strike(fault);
    }

    fn strike(&mut self, fault: Fault) {
        let members = self.plan.options.members;
        let someone = self.random.place(self.places.len());
        self.trace
            .line(self.now, || format!("-- {} (r{someone})", fault.name()));
        match fault {
            Fault::Partition => {
                let size = self.random.between(1, members as u64 - 1);
                let size = usize::try_from(size).unwrap_or(1);
                let inside = self.random.distinct(size, members);
                self.network.part(&inside);
            }
            Fault::OneWay => {
                let other = self.random.place(members);
                self.network.set_cut(someone, other, true);
            }
            Fault::Kill | Fault::Power => {
                if !self.places[someone].node.is_up() {
                    return;
                }
                self.crash(someone, fault == Fault::Power);
            }
            Fault::Blackout => {
                for slot in 0..self.places.len() {
                    if self.places[slot].node.is_up() {
                        self.crash(slot, true);
                    }
                }
            }
            Fault::DiskError => {
                let fuse = u32::try_from(self.random.below(30)).unwrap_or(0);
                self.places[someone].node.disk.set_fuse(Some(fuse));
            }
            Fault::Leap => {
                let leap = i64::try_from(self.random.below(20_000)).unwrap_or(0) - 10_000;
                self.places[someone].node.skew += leap;
            }
            Fault::Pause => {
                let pause = self.random.between(10 * MILLISECOND, 3 * SECOND);
                self.places[someone].paused_until = self.now + pause;
            }
            Fault::AppBefore | Fault::AppAfter | Fault::AppRecorded => {
                let (item, point) = (self.random.place(2), fault);
                self.places[someone].accident = Some(Accident { item, point });
            }
            Fault::Twin => {
                for member in 0..members {
                    self.sides[member] = self.random.chance(500);
                }
            }
            Fault::Sieve => {
                let sieve = Sieve::draw(&mut self.random, members);
                self.trace.line(self.now, || sieve.to_string());
                self.network.hold_up(sieve);
            }
            Fault::DaysPass => self.let_days_pass(),
            _ => return self.break_disk(fault),
        }
        self.trace.count(fault.name());
    }

    /// All clocks move on by as long as keys are remembered: those of gateways, or all of them.
    fn let_days_pass(&mut self) {
        let kept = [self.plan.keys.gateway, self.plan.keys.client];
        let passed = self.random.pick(&kept) + Duration::from_secs(1);
        self.pass(passed);
    }

    /// So much time passes at once, also for those who are down.
    pub(super) fn pass(&mut self, time: Duration) {
        let passed = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.days += passed;
        for place in &mut self.places {
            place.node.skew += passed;
        }
    }

    fn break_disk(&mut self, fault: Fault) {
        let Some(slot) = self.victim() else { return };
        let broken = match fault {
            Fault::Rollback => self.roll_back(slot),
            Fault::BlankDisk => {
                // Who is down may have a rotten disk already; see below.
                if self.places[slot].node.is_up() {
                    self.crash(slot, true);
                }
                let what = self.random.below(3);
                self.places[slot].node.wipe(what != 1, what != 2);
                self.places[slot].backup = None;
                true
            }
            // Power that fails in the same moment would take the last seal along, and then the last
            // group is a torn end: only what was written as well as synced is promised.
            _ if !self.places[slot].node.is_up() => false,
            _ => {
                self.crash(slot, false);
                let disk = self.places[slot].node.disk.clone();
                if fault == Fault::FlippedBit {
                    disk.flip_bit(&mut self.disk_random)
                } else {
                    disk.misdirect(&mut self.disk_random)
                }
            }
        };
        if broken {
            self.trace.count(fault.name());
        }
    }

    /// First a backup is made, and some later time it is put back.
    fn roll_back(&mut self, slot: usize) -> bool {
        if self.places[slot].backup.is_none() {
            let backup = self.places[slot].node.backup();
            self.places[slot].backup = Some(Box::new(backup));
            return false;
        }
        self.crash(slot, true);
        let place = &mut self.places[slot];
        if let Some(backup) = place.backup.take() {
            place.node.roll_back(&backup);
            let id = place.node.id;
            self.checks.faulty.insert(id);
        }
        true
    }

    fn mend(&mut self) {
        self.network.mend();
        for slot in 0..self.places.len() {
            for peer in 0..self.places.len() {
                if self.places[slot].node.id != self.places[peer].node.id {
                    self.at(MILLISECOND, Happening::Connect { slot, peer });
                }
            }
        }
    }

    /// The chaos ends: a quorum is healed, the rest stays as broken as it is.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.trace
            .line(self.now, || "-- a quorum is healed".to_owned());
        self.network.heal();
        self.healed_at = Some(self.now);
        self.leave_some_down();
        for slot in 0..self.places.len() {
            let place = &mut self.places[slot];
            place.paused_until = 0;
            place.accident = None;
            place.node.skew = self.days;
            place.node.disk.set_fuse(None);
            self.start(slot)?;
            self.plan_wake(slot);
        }
        self.mend();
        self.plan.app_time = self.plan.app_time.min(20 * MILLISECOND);
        self.view_at_healing = self.highest_view();
        Ok(())
    }

    fn leave_some_down(&mut self) {
        if !self.plan.faults.has(Fault::Remain) {
            return;
        }
        while self.checks.spent.len() < self.plan.faulty {
            let whole = self.whole();
            let slot = whole[self.random.place(whole.len())];
            self.trace.count(Fault::Remain.name());
            let id = self.places[slot].node.id;
            self.checks.spent.insert(id);
            self.places[slot].remains = true;
            if self.places[slot].node.is_up() {
                self.crash(slot, true);
            }
        }
    }
}
