//! Linearizability without any help from sequence numbers: Wing and Gong's search with the
//! memory of Lowe (Concurrency and Computation 2017), over what clients saw alone. Where an answer
//! stands in the tree says only what is tried first: a search that succeeds is soon over.

use std::collections::HashSet;

use byzantine_proof::LeafKind;

use super::{Runs, Violation};
use crate::app::{ACCOUNTS, OPENING, Operation};
use crate::client::Call;

/// Histories longer than this are left to the witness.
const LONGEST: usize = 200;

/// States looked at before the search gives up without a judgement.
const MOST_STATES: usize = 200_000;

/// One answered or unanswered call, as the search sees it.
struct Event<'a> {
    operation: Operation,
    invoked: u64,
    /// When it returned and with what; a call without an answer may take effect or not.
    returned: Option<(u64, &'a str)>,
    /// Its leaf's place, to be tried in that order.
    position: u64,
}

/// The calls done so far, as bits.
type Done = [u64; 4];

/// Whether some order of the calls explains every answer and respects real time. `None` when the
/// history is too long or too tangled to tell.
///
/// Of the ledger it takes where each request ran: what ran and was not told its client may take
/// effect, or not. That it may run at all is for other checkers to say.
pub fn linearizable(calls: &[Call], runs: &Runs) -> Option<Result<(), Violation>> {
    let events: Vec<Event<'_>> = calls.iter().flat_map(|call| seen(call, runs)).collect();
    if events.len() > LONGEST {
        return None;
    }
    let mut search = Search {
        events: &events,
        seen: HashSet::new(),
    };
    match search.explain() {
        Some(true) => Some(Ok(())),
        Some(false) => {
            let detail = format!(
                "no order of {} calls explains what clients saw",
                events.len()
            );
            Some(Err(Violation::new("linearizability", detail)))
        }
        None => None,
    }
}

/// A call's answer, if the app gave it, and its other runs.
fn seen<'a>(call: &'a Call, runs: &'a Runs) -> impl Iterator<Item = Event<'a>> {
    let answer = call.returned.as_ref();
    let answer = answer.filter(|it| it.kind == LeafKind::App);
    let told = answer.map(|it| it.position);
    let ran = runs.get(&call.id).into_iter().flatten();
    let other = ran.filter(move |position| told != Some(**position));
    let event = |returned, position| Event {
        operation: call.operation,
        invoked: call.invoked,
        returned,
        position,
    };
    let known = answer.map(|it| event(Some((it.at, it.content.as_str())), it.position));
    known
        .into_iter()
        .chain(other.map(move |position| event(None, *position)))
}

struct Search<'a> {
    events: &'a [Event<'a>],
    seen: HashSet<(Done, [i64; ACCOUNTS])>,
}

impl Search<'_> {
    /// Depth first, over a stack of its own.
    fn explain(&mut self) -> Option<bool> {
        let mut stack = vec![([0; 4], [OPENING; ACCOUNTS])];
        while let Some((done, balances)) = stack.pop() {
            if !self.seen.insert((done, balances)) {
                continue;
            }
            if self.seen.len() > MOST_STATES {
                return None;
            }
            // Every call that returned must be among those done.
            let open = |event: &(usize, &Event<'_>)| !is_done(&done, event.0);
            let mut answered = self.events.iter().enumerate().filter(open);
            if !answered.any(|(_, event)| event.returned.is_some()) {
                return Some(true);
            }
            let mut steps = self.steps(&done, &balances);
            steps.sort_by_key(|(position, ..)| std::cmp::Reverse(*position));
            stack.extend(steps.into_iter().map(|(_, done, after)| (done, after)));
        }
        Some(false)
    }

    /// What may come next: calls that were sent before the first of the others returned.
    fn steps(&self, done: &Done, balances: &[i64; ACCOUNTS]) -> Vec<(u64, Done, [i64; ACCOUNTS])> {
        let open = self.events.iter().enumerate();
        let open: Vec<(usize, &Event<'_>)> =
            open.filter(|(place, _)| !is_done(done, *place)).collect();
        let returns = open.iter().filter_map(|(_, event)| event.returned);
        let first = returns.map(|(at, _)| at).min().unwrap_or(u64::MAX);
        let mut steps = Vec::new();
        for (place, event) in open.into_iter().filter(|(_, event)| event.invoked <= first) {
            let mut after = *balances;
            let answer = event.operation.apply(&mut after);
            if event.returned.is_none_or(|(_, seen)| seen == answer) {
                let mut then = *done;
                then[place / 64] |= 1 << (place % 64);
                steps.push((event.position, then, after));
            }
        }
        steps
    }
}

fn is_done(done: &Done, place: usize) -> bool {
    done[place / 64] & (1 << (place % 64)) != 0
}
