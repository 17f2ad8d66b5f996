//! Linearizability without any help from sequence numbers: Wing and Gong's search with the
//! memory of Lowe (Concurrency and Computation 2017), over what clients saw alone.

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
}

/// The calls done so far, as bits.
type Done = [u64; 4];

/// Whether some order of the calls explains every answer and respects real time. `None` when the
/// history is too long or too tangled to tell.
///
/// Of the ledger it takes how often each request ran: beyond the first time only where its key was
/// forgotten, which another checker sees to. Each such run may take effect, too.
pub fn linearizable(calls: &[Call], runs: &Runs) -> Option<Result<(), Violation>> {
    let again = calls.iter().flat_map(|call| {
        let reused = call
            .returned
            .as_ref()
            .is_some_and(|it| it.kind == LeafKind::Reused);
        let told = usize::from(!reused);
        let ran = runs.get(&call.id).copied().unwrap_or(0);
        let event = || Event {
            operation: call.operation,
            invoked: call.invoked,
            returned: None,
        };
        std::iter::repeat_with(event).take(ran.saturating_sub(told))
    });
    let events: Vec<Event<'_>> = calls
        .iter()
        .filter(|call| {
            call.returned
                .as_ref()
                .is_none_or(|it| it.kind != LeafKind::Reused)
        })
        .map(|call| {
            // A verdict says that nobody knows; so the call may have taken effect or not.
            let known = call.returned.as_ref().filter(|it| it.kind == LeafKind::App);
            Event {
                operation: call.operation,
                invoked: call.invoked,
                returned: known.map(|it| (it.at, it.content.as_str())),
            }
        })
        .chain(again)
        .collect();
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
            stack.extend(self.steps(&done, &balances));
        }
        Some(false)
    }

    /// What may come next: calls that were sent before the first of the others returned.
    fn steps(&self, done: &Done, balances: &[i64; ACCOUNTS]) -> Vec<(Done, [i64; ACCOUNTS])> {
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
                steps.push((then, after));
            }
        }
        steps
    }
}

fn is_done(done: &Done, place: usize) -> bool {
    done[place / 64] & (1 << (place % 64)) != 0
}
