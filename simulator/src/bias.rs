//! Where a built-in bug is looked for first: worlds that the swarm draws too, only rarely.
//!
//! A search that is biased finds in minutes what plain seeds find in hours; one run in four is
//! not biased, so that nothing rests on what is believed of a bug.

use crate::adversary::AttackKind as A;
use crate::fault::{Fault as F, Faults};
use crate::plan::{LONG_REQUESTS, Options};
use crate::sabotage::Bug;

/// Attacks, faults and sizes that suit a bug; empty lists leave the choice to the seed.
#[derive(Debug, Clone, Copy, Default)]
struct Bias {
    attacks: &'static [A],
    faults: &'static [F],
    members: &'static [usize],
    /// Whether liars are left out: they use up the faults that f allows.
    honest: bool,
    /// Whether clients keep away from liars, who would refuse them in their own name.
    shun: bool,
    /// Whether most requests come after the chaos, and many of them.
    long: bool,
}

/// Virtual milliseconds.
const SHORT_CHAOS: u64 = 500;

const LIES: [F; 3] = [F::Liar, F::Twin, F::Mutation];

/// By those who say something else, or something at all, to some and late.
const LATE_LIES: [A; 3] = [A::FalsePromise, A::SplitResults, A::LostResults];

/// Bugs that are looked for where nobody lies.
const HONEST: [&str; 10] = [
    "quota-kept",
    "abstainer-votes",
    "early-commit-refused",
    "outcomes-forgotten",
    "own-view-ignored",
    "range-reversed",
    "refused-forgotten",
    "reset-at-once",
    "short-abstention",
    "torn-tail-refused",
];

/// Options for one run of a search.
pub(crate) fn biased(options: Options, bug: Bug, number: u64) -> Options {
    if number % 4 == 3 {
        return options;
    }
    let bias = of(bug.name());
    let turn = usize::try_from(number).unwrap_or(0);
    let pick = |count: usize| turn.checked_rem(count);
    let faults = bias.faults.iter();
    Options {
        attack: pick(bias.attacks.len()).map(|place| bias.attacks[place]),
        members: pick(bias.members.len()).map_or(options.members, |place| bias.members[place]),
        allowed: if bias.honest {
            LIES.iter()
                .fold(options.allowed, |all, lie| all.without(*lie))
        } else {
            options.allowed
        },
        forced: faults.fold(Faults::NONE, |faults, fault| faults.with(*fault)),
        requests: if bias.long {
            LONG_REQUESTS
        } else {
            options.requests
        },
        chaos: bias.long.then_some(SHORT_CHAOS).or(options.chaos),
        shun: bias.shun || options.shun,
        ..options
    }
}

fn of(bug: &str) -> Bias {
    let (attacks, faults, members): (&[A], &[F], &[usize]) = match bug {
        "small-quorum" => (&[A::Equivocate, A::PrepareBoth], &[F::Loss], &[5, 6, 9]),
        "primary-counts-twice" => (&[A::PrepareBoth, A::Usurp], &[F::Loss, F::Reorder], &[4]),
        "duplicates-count" => (&[A::SuspectAlways], &[], &[4]),
        "certificate-unchecked" => (&[A::Counterfeit], &[F::Pause, F::Loss, F::Kill], &[4]),
        "lowest-stable-starts" => (&[A::OmitCertificate], &[F::Loss, F::Pause, F::Kill], &[4]),
        "ancient-view-change" => {
            let breaks: &[F] = &[F::Pause, F::Partition, F::OneWay, F::Loss];
            (&[A::DuplicateViewChanges], breaks, &[4])
        }
        "lower-view-preferred" => (&[A::HoardCertificates], &[F::Pause, F::Loss], &[7]),
        "early-commit-refused" => (&[], &[F::Pause, F::Loss, F::Remain, F::Reorder], &[4]),
        "higher-view-ignored" => (
            &[A::WhisperSuspicion],
            &[F::Pause, F::Loss, F::OneWay],
            &[4],
        ),
        "few-promises" => (&[], &[F::OddApp, F::Loss, F::Reorder], &[]),
        "promise-broken" => (&LATE_LIES, &[F::OddApp, F::Loss, F::Reorder], &[4]),
        "weak-leaf-ignored" => {
            let lies: &[A] = &[A::CorruptReply, A::SplitResults, A::FalsePromise];
            (lies, &[F::Loss, F::Pause, F::OneWay], &[4])
        }
        "last-resolve-wins" => (&[A::ResolveTwice], &[F::OddApp, F::Loss], &[4, 7]),
        "resolve-unchecked" => (&[A::ForgedResolve], &[], &[4]),
        "short-abstention" => (&[], &[F::BlankDisk, F::FlippedBit, F::Power], &[4, 7]),
        "quota-ignored" => (&[A::FloodRequests], &[], &[4]),
        "time-unchecked" | "time-goes-back" => (&[A::WrongTime], &[F::Skew, F::Leap], &[4]),
        "window-unbounded" => (&[A::HighWatermark, A::ExhaustSequences], &[], &[4]),
        "timer-never-doubles" | "bound-stays-short" => {
            (&[], &[F::Remain, F::Reorder, F::SlowApp], &[4])
        }
        "reset-at-once" => (&[], &[F::Reorder], &[4]),
        "answered-waits" | "done-returns" => (&[A::ReplayBatch], &[F::Power, F::Loss], &[4]),
        "abandoned-names" => (&[], &[F::Pause, F::Loss, F::Partition], &[4]),
        "never-relayed" => (&[A::BypassPrimary], &[], &[4]),
        "suspects-once" => (&[A::BigMac, A::FloodRequests], &[F::Loss, F::OneWay], &[4]),
        "own-view-ignored" => (&[], &[F::BlankDisk, F::Pause, F::Sieve], &[4]),
        "refused-forgotten" => (&[], &[F::BlankDisk, F::KeyReuse, F::Retry, F::Power], &[4]),
        "ran-stays-named" => (&[], &[F::AppAfter, F::Power, F::Loss], &[4]),
        "range-reversed" => (&[], &[F::OddApp, F::SlowApp, F::Sieve], &[4, 5, 7]),
        "charged-to-primary" | "quota-kept" => (&[], &[F::FewKeys], &[4]),
        "word-unchecked" => (&[A::ChargeAnother], &[], &[4]),
        "limit-for-all" => (&[A::ChargeItself], &[F::FewKeys], &[4]),
        "limit-remembered" => (&[], &[F::FewKeys, F::Retry], &[4]),
        "one-vote-only" => (&[A::NearValid], &[F::Twin, F::Mutation, F::Loss], &[4, 5]),
        _ => (&[], &[], &[]),
    };
    Bias {
        attacks,
        faults,
        members,
        honest: HONEST.contains(&bug),
        shun: bug == "limit-for-all",
        long: bug == "reset-at-once",
    }
}
