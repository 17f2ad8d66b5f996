//! The witness of linearizability: the order of the ledger. Replayed on a bank of its own, it
//! must give every answer that a client was given, and agree with real time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byzantine_consensus::{Request, RequestId, Settlement, Verdict, request_id};
use byzantine_proof::LeafKind;

use super::Violation;
use crate::app::Bank;
use crate::client::Call;
use crate::executor::is_app_leaf;

/// Replays the ledger, and compares it with what clients saw.
///
/// # Errors
/// The promise that is broken.
pub fn witness(
    ledger: &[Arc<Settlement>],
    calls: &[Call],
    odd_apps: bool,
) -> Result<Bank, Violation> {
    let (bank, places) = replay(ledger, odd_apps)?;
    answers_are_the_ledgers(calls, &places)?;
    order_respects_time(calls)?;
    Ok(bank)
}

/// Where each answered request is, and what its answer was.
///
/// A refusal is not remembered, so a request may be refused more than once, and then run.
type Places = BTreeMap<RequestId, Vec<(u64, String)>>;

fn replay(ledger: &[Arc<Settlement>], odd_apps: bool) -> Result<(Bank, Places), Violation> {
    let (mut bank, mut places, mut ordinal) = (Bank::default(), Places::new(), 0);
    let mut ran = BTreeSet::new();
    for settlement in ledger {
        let requests: BTreeMap<RequestId, _> = settlement
            .requests
            .iter()
            .map(|bytes| (request_id(bytes), bytes))
            .collect();
        for (settled, position) in settlement.answers.iter().zip(settlement.size_before..) {
            let id = settled.request_id;
            let content = String::from_utf8_lossy(&settled.answer.content).into_owned();
            if let Verdict::Call { ordinal: number } = settled.verdict {
                ordinal += 1;
                let request = requests.get(&id).and_then(|bytes| Request::decode(bytes));
                let request = request.ok_or_else(|| missing(id))?;
                if number != ordinal {
                    let detail = format!("call {number} stands where {ordinal} is due");
                    return Err(Violation::new("order", detail));
                }
                check_call(&mut bank, number, id, &request, settled, odd_apps)?;
            }
            let found = places.entry(id).or_default();
            let runs = matches!(settled.verdict, Verdict::Call { .. });
            if runs && !ran.insert(id) {
                let detail = format!("{id} has leaves at {} and {position}", found[0].0);
                return Err(Violation::new("exactly-once", detail));
            }
            found.push((position, content));
        }
        if !bank.is_sound() {
            return Err(Violation::new("bank", format!("{:?}", bank.balances)));
        }
    }
    Ok((bank, places))
}

fn check_call(
    bank: &mut Bank,
    number: u64,
    id: RequestId,
    request: &Request,
    settled: &byzantine_consensus::SettledAnswer,
    odd_apps: bool,
) -> Result<(), Violation> {
    let expected = bank.call(number, id, request).map_err(|before| {
        Violation::new(
            "exactly-once",
            format!("{id} ran as {before} and as {number}"),
        )
    })?;
    let content = &settled.answer.content[..];
    // Where answers were lost, or apps are odd, a verdict may stand in the answer's place.
    if odd_apps || content == expected.as_bytes() || !is_app_leaf(&settled.answer) {
        return Ok(());
    }
    let content = String::from_utf8_lossy(content);
    let detail = format!("call {number} answered {content:?}, a bank says {expected:?}");
    Err(Violation::new("linearizability", detail))
}

fn missing(id: RequestId) -> Violation {
    Violation::new(
        "validity",
        format!("the ledger has an answer to {id} and not its request"),
    )
}

fn answers_are_the_ledgers(calls: &[Call], places: &Places) -> Result<(), Violation> {
    for call in calls {
        let Some(returned) = &call.returned else {
            continue;
        };
        let settled = places.get(&call.id);
        let proven = (returned.position, returned.content.clone());
        let equal = settled.is_some_and(|found| found.contains(&proven));
        if !equal {
            let detail = format!("a client was proven {returned:?}, the ledger has {settled:?}");
            return Err(Violation::new("durability", detail));
        }
        let earlier = calls.iter().take_while(|other| other.id != call.id);
        let same_key = earlier.filter(|other| other.request.key == call.request.key);
        let answered = |other: &Call| other.returned.as_ref().map(|it| it.kind);
        let mut used = same_key.filter_map(answered);
        // Who was refused for want of room has not used the key.
        let used = used.any(|kind| kind != LeafKind::Limit);
        if used && returned.kind == LeafKind::App {
            let detail = format!("{} ran although its key was used before", call.id);
            return Err(Violation::new("reuse", detail));
        }
        let mut same_key = calls.iter().take_while(|other| other.id != call.id);
        let reused = same_key.any(|other| other.request.key == call.request.key);
        if returned.kind == LeafKind::Reused && !reused {
            let detail = format!("{} was refused as reused, and its key is new", call.id);
            return Err(Violation::new("reuse", detail));
        }
    }
    Ok(())
}

/// What returned before another was sent stands before it.
fn order_respects_time(calls: &[Call]) -> Result<(), Violation> {
    let answered = |call: &Call| call.returned.as_ref().map(|it| (it.at, it.position));
    let mut returns: Vec<(u64, u64)> = calls.iter().filter_map(answered).collect();
    returns.sort_unstable();
    let mut sent: Vec<(u64, u64)> = calls
        .iter()
        .filter_map(|call| Some((call.invoked, call.returned.as_ref()?.position)))
        .collect();
    sent.sort_unstable();
    let (mut passed, mut highest) = (0, None);
    for (invoked, position) in sent {
        while let Some((at, done)) = returns.get(passed).filter(|(at, _)| *at < invoked) {
            debug_assert!(*at < invoked, "only what returned before counts");
            highest = highest.max(Some(*done));
            passed += 1;
        }
        if highest > Some(position) {
            let detail = format!("leaf {position} was asked for after leaf {highest:?} was known");
            return Err(Violation::new("linearizability", detail));
        }
    }
    Ok(())
}
