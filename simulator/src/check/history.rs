//! The witness of linearizability: the order of the ledger. Replayed on a bank of its own, it
//! must give every answer that a client was given, and agree with real time.

use std::collections::BTreeMap;
use std::sync::Arc;

use byzantine_consensus::{Request, RequestId, Retention, Settlement, Verdict, request_id};
use byzantine_proof::LeafKind;

use super::Violation;
use crate::app::Bank;
use crate::client::Call;
use crate::executor::is_app_leaf;
use crate::keys::expiry;

/// How often each request ran: more than once only where its key was forgotten in between.
pub type Runs = BTreeMap<RequestId, Vec<u64>>;

/// Replays the ledger, and compares it with what clients saw.
///
/// # Errors
/// The promise that is broken.
pub fn witness(
    ledger: &[Arc<Settlement>],
    calls: &[Call],
    kept: Retention,
    odd_apps: bool,
) -> Result<(Bank, Runs), Violation> {
    let (bank, places) = replay(ledger, kept, odd_apps)?;
    answers_are_the_ledgers(calls, &places)?;
    order_respects_time(calls)?;
    let ran = |leaves: &Vec<Leaf>| {
        let ran = leaves.iter().filter(|leaf| leaf.ran.is_some());
        ran.map(|leaf| leaf.position).collect()
    };
    let runs = places.iter().map(|(id, leaves)| (*id, ran(leaves)));
    Ok((bank, runs.collect()))
}

/// One answer in the ledger.
struct Leaf {
    position: u64,
    content: String,
    /// The agreed time.
    time: u64,
    /// Until when its key was remembered, if this is of a call.
    ran: Option<u64>,
}

/// Where each answered request is, and what its answer was.
///
/// A refusal is not remembered, so a request may be refused more than once, and then run.
type Places = BTreeMap<RequestId, Vec<Leaf>>;

fn replay(
    ledger: &[Arc<Settlement>],
    kept: Retention,
    odd_apps: bool,
) -> Result<(Bank, Places), Violation> {
    let (mut bank, mut places, mut ordinal) = (Bank::new(kept), Places::new(), 0);
    for settlement in ledger {
        let requests: BTreeMap<RequestId, _> = settlement
            .requests
            .iter()
            .map(|bytes| (request_id(bytes), bytes))
            .collect();
        let time = settlement.time.0;
        for (settled, position) in settlement.answers.iter().zip(settlement.size_before..) {
            let id = settled.request_id;
            let content = String::from_utf8_lossy(&settled.answer.content).into_owned();
            let mut ran = None;
            if let Verdict::Call { ordinal: number } = settled.verdict {
                ordinal += 1;
                let request = requests.get(&id).and_then(|bytes| Request::decode(bytes));
                let request = request.ok_or_else(|| missing(id))?;
                if number != ordinal {
                    let detail = format!("call {number} stands where {ordinal} is due");
                    return Err(Violation::new("order", detail));
                }
                check_call(&mut bank, (number, time), &request, settled, odd_apps)?;
                ran = Some(expiry(&kept, request.key_source, time));
            }
            places.entry(id).or_default().push(Leaf {
                position,
                content,
                time,
                ran,
            });
        }
        if !bank.is_sound() {
            return Err(Violation::new("bank", format!("{:?}", bank.balances)));
        }
    }
    Ok((bank, places))
}

fn check_call(
    bank: &mut Bank,
    (number, time): (u64, u64),
    request: &Request,
    settled: &byzantine_consensus::SettledAnswer,
    odd_apps: bool,
) -> Result<(), Violation> {
    let id = settled.request_id;
    let expected = bank.call((number, time), id, request).map_err(|before| {
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
        let settled = places.get(&call.id).map_or(&[][..], Vec::as_slice);
        let proven =
            |leaf: &&Leaf| (leaf.position, &leaf.content) == (returned.position, &returned.content);
        let Some(leaf) = settled.iter().find(proven) else {
            let found: Vec<u64> = settled.iter().map(|leaf| leaf.position).collect();
            let detail = format!("a client was proven {returned:?}, the ledger has {found:?}");
            return Err(Violation::new("durability", detail));
        };
        let earlier = calls.iter().take_while(|other| other.id != call.id);
        let same_key = earlier.filter(|other| other.request.key == call.request.key);
        let mut runs = same_key.filter_map(|other| places.get(&other.id)).flatten();
        // Who was refused for want of room has not used the key, nor has who is forgotten.
        let used = runs.any(|other| {
            let remembered = other.ran.is_some_and(|expires| expires >= leaf.time);
            other.position < leaf.position && remembered
        });
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
