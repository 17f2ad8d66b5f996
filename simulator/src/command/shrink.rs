//! `sim shrink`: leaves out faults, requests and time as long as the same promise stays broken.

use clap::Args;

use super::{Verdict, reproduction};
use crate::plan::{MILLISECOND, Options, Plan};
use crate::say::say;
use crate::selection::Selection;
use crate::world::run;

/// Arguments of `sim shrink`.
#[derive(Debug, Args)]
pub(super) struct Shrink {
    #[command(flatten)]
    selection: Selection,
}

impl Shrink {
    pub(super) fn execute(&self) -> Verdict {
        let mut smallest = self.selection.options();
        let Some(first) = run(&smallest, false).violation else {
            say!("this run breaks no promise: nothing to shrink");
            return Verdict::Kept;
        };
        say!("{}: {}", first.invariant, first.detail);
        while let Some(smaller) = step(&smallest, first.invariant) {
            say!("smaller: {}", smaller.arguments());
            smallest = smaller;
        }
        say!("{}", reproduction(&smallest.arguments()));
        Verdict::Broken
    }
}

/// A run that is smaller in one respect and breaks the same promise.
fn step(options: &Options, invariant: &str) -> Option<Options> {
    let broken = |candidate: &Options| {
        let violation = run(candidate, false).violation;
        violation.is_some_and(|violation| violation.invariant == invariant)
    };
    candidates(options)
        .into_iter()
        .find(|candidate| candidate != options && broken(candidate))
}

fn candidates(options: &Options) -> Vec<Options> {
    let plan = Plan::of(options);
    let present = options
        .forced
        .iter()
        .fold(plan.faults, super::super::fault::Faults::with);
    let mut candidates = Vec::new();
    let only = Options {
        allowed: present,
        ..options.clone()
    };
    for fault in present.iter() {
        let mut fewer = only.clone();
        fewer.allowed = present.without(fault);
        fewer.forced = options.forced.without(fault);
        candidates.push(fewer);
    }
    for requests in [options.requests / 2, options.requests.saturating_sub(1)] {
        if requests > 0 {
            let mut fewer = options.clone();
            fewer.requests = requests;
            candidates.push(fewer);
        }
    }
    let chaos = plan.chaos / MILLISECOND;
    for shorter in [chaos / 2, chaos * 9 / 10] {
        if shorter >= 10 {
            let mut less = options.clone();
            less.chaos = Some(shorter);
            candidates.push(less);
        }
    }
    candidates
}
