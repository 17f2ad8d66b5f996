//! What a seed means: the size of the group, which faults are present and how often they strike.
//!
//! A run is a function of its [`Options`] alone; the command that repeats it is made from them.

use std::fmt::Write as _;

use byzantine_consensus::Retention;

use crate::adversary::AttackKind;
use crate::fault::{Fault, Faults};
use crate::keys;
use crate::random::Random;
use crate::sabotage::Bug;

/// One millisecond of virtual time, in its unit.
pub const MILLISECOND: u64 = 1000;

/// One second of virtual time.
pub const SECOND: u64 = 1000 * MILLISECOND;

/// Requests of a run.
pub const REQUESTS: usize = 40;

/// Requests of a long run, and how many in a thousand are long.
pub const LONG_REQUESTS: usize = 240;
const LONG_PER_MILLE: u32 = 8;

/// What a run is asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// How many replicas.
    pub members: usize,
    /// How many requests clients send in all.
    pub requests: usize,
    /// Faults that may be present.
    pub allowed: Faults,
    /// Faults that are present whatever the seed says.
    pub forced: Faults,
    /// The attack that liars make, if not the seed's choice.
    pub attack: Option<AttackKind>,
    /// How long chaos lasts, in virtual milliseconds, if not the seed's choice.
    pub chaos: Option<u64>,
    /// Whether clients ask liars' gateways nothing.
    pub shun: bool,
    /// A built-in bug that is switched on.
    pub bug: Option<Bug>,
}

impl Options {
    /// A run of the swarm; now and then a long one, for what only many batches in a row show.
    pub fn swarm(seed: u64, members: usize) -> Self {
        let long = Random::new(seed, "length").chance(LONG_PER_MILLE);
        Self {
            seed,
            members,
            requests: if long { LONG_REQUESTS } else { REQUESTS },
            allowed: Faults::ALL,
            forced: Faults::NONE,
            attack: None,
            chaos: None,
            shun: false,
            bug: None,
        }
    }

    /// The arguments of `sim run` that ask for this run.
    pub fn arguments(&self) -> String {
        let mut text = format!("--seed {} --n {}", self.seed, self.members);
        let mut add = |argument: String| {
            // Writing to a string cannot fail.
            let _ = write!(text, " {argument}");
        };
        if self.requests != REQUESTS {
            add(format!("--requests {}", self.requests));
        }
        if self.allowed != Faults::ALL {
            add(format!("--only {},", self.allowed));
        }
        if self.forced != Faults::NONE {
            add(format!("--with {}", self.forced));
        }
        if let Some(attack) = self.attack {
            add(format!("--attack {}", attack.name()));
        }
        if let Some(chaos) = self.chaos {
            add(format!("--chaos {chaos}"));
        }
        if self.shun {
            add("--shun".to_owned());
        }
        if let Some(bug) = self.bug {
            // Writing to a string cannot fail.
            let _ = write!(text, " --bug {}", bug.name());
        }
        text
    }
}

/// How the app keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppKind {
    /// In memory: lost with the process, rebuilt by replay.
    Memory,
    /// Atomically on disk, with its last response.
    Durable,
}

/// Everything that a seed decides before the first event.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where it comes from.
    pub options: Options,
    /// f.
    pub faulty: usize,
    /// k: cosignatures that a client asks for.
    pub reply_quorum: usize,
    /// The faults that are present.
    pub faults: Faults,
    /// Who lies.
    pub liars: Vec<usize>,
    /// How they lie.
    pub attack: Option<AttackKind>,
    /// How long chaos lasts.
    pub chaos: u64,
    /// The shortest and the usual longest delay of a frame.
    pub latency: (u64, u64),
    /// How long a sync takes at most.
    pub sync: u64,
    /// How long a process takes to wake: what comes meanwhile is handled in one step.
    pub nap: u64,
    /// Per mille of frames, for [`Fault::Loss`], `Duplicate`, `Tail` and `Corrupt`.
    pub rates: Rates,
    /// The mean time between two disturbances.
    pub disturbance: u64,
    /// How many clients there are.
    pub clients: usize,
    /// How long a client waits before it tries again.
    pub patience: u64,
    /// How the app keeps its state.
    pub app: AppKind,
    /// How long a batch runs on the app, at most.
    pub app_time: u64,
    /// The core's clocks, in milliseconds: request, view change, clock bound.
    pub timeouts: [u64; 3],
    /// K.
    pub checkpoint_interval: u64,
    /// How long keys are remembered, and how many of one gateway's.
    pub keys: Retention,
    /// Whether real keys sign.
    pub real_keys: bool,
}

/// How often frames suffer, per mille.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// Lost.
    pub loss: u32,
    /// Delivered twice.
    pub duplicate: u32,
    /// Delayed beyond all measure.
    pub tail: u32,
    /// Damaged on the way.
    pub corrupt: u32,
}

impl Plan {
    /// What the options mean.
    pub fn of(options: &Options) -> Self {
        let mut random = Random::new(options.seed, "plan");
        let tolerated = options.members.saturating_sub(1) / 3;
        let faults = present(options, &mut random);
        let liars = liars(faults, tolerated, options.members, &mut random);
        let drawn = AttackKind::draw(options.seed, &mut random);
        let attack = match options.attack {
            Some(chosen) => Some(chosen),
            None if faults.has(Fault::Liar) => Some(drawn),
            None if faults.has(Fault::Mutation) => Some(AttackKind::NearValid),
            None => None,
        };
        let low = 2 * tolerated + 1;
        let reply_quorum = random.between(low as u64, (options.members - tolerated) as u64);
        let chaos = random.between(500, 6000);
        let slow = faults.has(Fault::SlowApp);
        let drawn_timeouts = [
            random.pick(&[300, 500, 1000, 2000]),
            random.pick(&[500, 1000, 2000, 4000]),
            random.pick(&[200, 1000, 5000]),
        ];
        Self {
            options: options.clone(),
            faulty: tolerated,
            reply_quorum: usize::try_from(reply_quorum).unwrap_or(low),
            faults,
            liars,
            attack,
            chaos: options.chaos.unwrap_or(chaos) * MILLISECOND,
            latency: (
                random.between(50, 500),
                random.pick(&[1, 3, 10, 40, 40, 250]) * MILLISECOND,
            ),
            sync: random.pick(&[50, 500, 5000]),
            nap: Random::new(options.seed, "naps").pick(&[0, 300, 1000, 3000]),
            rates: rates(faults, &mut random),
            disturbance: random.pick(&[100, 300, 1000]) * MILLISECOND,
            clients: random.pick(&[2, 4, 8, 16]),
            patience: random.pick(&[200, 1000, 3000]) * MILLISECOND,
            app: random.pick(&[AppKind::Memory, AppKind::Durable]),
            app_time: if slow { 300 } else { 3 } * MILLISECOND,
            timeouts: drawn_timeouts,
            checkpoint_interval: random
                .pick(&[2, 4, 8, 16])
                .max(least_interval(attack, tolerated)),
            keys: keys::retention(options.seed, faults),
            real_keys: random.chance(10),
        }
    }

    /// How many times as long as usual a run is; at least 1. Bounds on time and views grow with it.
    pub fn length(&self) -> u64 {
        let times = self.options.requests.div_ceil(REQUESTS).max(1);
        u64::try_from(times).unwrap_or(1)
    }

    /// q.
    pub fn quorum(&self) -> usize {
        (self.options.members + self.faulty + 2) / 2
    }
}

/// A liar that leads a view may use up one of the last K sequences of the window, which are for
/// RESOLVEs: with as many liars as those nothing could be resolved any more. The product has K ≥ 8
/// and f ≤ 7.
const fn least_interval(attack: Option<AttackKind>, faulty: usize) -> u64 {
    match attack {
        Some(AttackKind::ResolveTwice) => faulty as u64 + 1,
        _ => 0,
    }
}

/// Each kind is there in about every second run; liars more often, broken disks less.
fn present(options: &Options, random: &mut Random) -> Faults {
    let mut faults = Faults::NONE;
    for fault in Fault::ALL {
        // Came later, and draws by itself: the other draws of recorded seeds stay as they are.
        let later = match fault {
            Fault::Sieve => Some(250),
            Fault::FewKeys => Some(150),
            Fault::DaysPass => Some(120),
            _ => None,
        };
        if let Some(per_mille) = later {
            if Random::new(options.seed, fault.name()).chance(per_mille) {
                faults = faults.with(fault);
            }
            continue;
        }
        let per_mille = match fault {
            Fault::Liar => 600,
            Fault::Blackout | Fault::Twin | Fault::OddApp => 150,
            Fault::FlippedBit | Fault::Misdirected | Fault::BlankDisk | Fault::Rollback => 200,
            _ => 400,
        };
        if random.chance(per_mille) {
            faults = faults.with(fault);
        }
    }
    // Any two runs in ten are without broken networks or machines: liars alone.
    if random.chance(100) {
        faults = faults.and(Faults::NONE.with(Fault::Liar).with(Fault::Mutation));
    }
    let mut chosen = faults.and(options.allowed);
    if options.attack.is_some() {
        chosen = chosen.with(Fault::Liar);
    }
    for fault in options.forced.iter() {
        chosen = chosen.with(fault);
    }
    chosen
}

fn liars(faults: Faults, tolerated: usize, members: usize, random: &mut Random) -> Vec<usize> {
    let lies = [Fault::Liar, Fault::Twin, Fault::Mutation];
    let count = usize::try_from(random.between(1, tolerated.max(1) as u64)).unwrap_or(1);
    let mut liars = random.distinct(count.min(tolerated), members);
    liars.sort_unstable();
    if lies.iter().any(|lie| faults.has(*lie)) {
        liars
    } else {
        Vec::new()
    }
}

fn rates(faults: Faults, random: &mut Random) -> Rates {
    let mut rate = |fault, choices: &[u32]| {
        let drawn = random.pick(choices);
        if faults.has(fault) { drawn } else { 0 }
    };
    Rates {
        loss: rate(Fault::Loss, &[5, 30, 100, 300]),
        duplicate: rate(Fault::Duplicate, &[10, 100, 500]),
        tail: rate(Fault::Tail, &[5, 50]),
        corrupt: rate(Fault::Corrupt, &[5, 50]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_fault_is_left_out_and_nothing_else_changes() {
        for seed in 0..50 {
            let whole = Plan::of(&Options::swarm(seed, 7));
            let mut options = Options::swarm(seed, 7);
            options.allowed = Faults::ALL.without(Fault::Loss);
            let part = Plan::of(&options);
            assert_eq!(part.faults, whole.faults.without(Fault::Loss));
            assert_eq!(part.rates.loss, 0);
            assert_eq!(part.liars, whole.liars);
            assert_eq!(part.timeouts, whole.timeouts);
            assert!(whole.liars.len() <= whole.faulty);
        }
    }
}
