//! The wallet as its users see it, and the sums that must hold whatever happens to replicas.
//!
//! Every certified answer says where it stands in the agreed order. Replaying all acknowledged
//! requests in that order must give each of them exactly the answer it got, and the balances in
//! the end: then each was applied once, and nothing else was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::client::{Acknowledged, Call, Client};
use crate::load::Load;

/// Accounts in a story.
pub(crate) const ACCOUNTS: u64 = 20;

/// What each account is opened with; little enough that some payments exceed it.
pub(crate) const OPENING: u64 = 200;

/// The largest amount paid.
const LARGEST: u64 = 100;

/// A wallet service under test, with all that was acknowledged so far.
pub struct Wallet {
    client: Arc<Client>,
    in_flight: usize,
    opened: BTreeMap<String, i64>,
    payments: Vec<(Call, Acknowledged)>,
}

impl Wallet {
    /// Opens the accounts.
    ///
    /// # Panics
    /// When one is not opened.
    pub async fn open(client: &Arc<Client>, in_flight: usize) -> Self {
        let opening = |number| {
            let body = json!({ "owner": account(number), "opening": OPENING });
            Call::post("/accounts", &body, format!("open-{number}"))
        };
        let calls = (0..ACCOUNTS).map(opening).collect();
        for (call, opened) in Load::start(client, calls, in_flight).finish().await {
            assert_eq!(opened.status(), 201, "{call:?} gave {opened:?}");
        }
        let balance = i64::try_from(OPENING).expect("openings are small");
        Self {
            client: Arc::clone(client),
            in_flight,
            opened: (0..ACCOUNTS)
                .map(|number| (account(number), balance))
                .collect(),
            payments: Vec::new(),
        }
    }

    /// Starts making `count` payments, none of them repeatable without harm.
    pub fn start(&self, name: &str, count: usize) -> Load {
        let calls = (0..count).map(|number| payment(name, number)).collect();
        Load::start(&self.client, calls, self.in_flight)
    }

    /// Waits until all of them are acknowledged, and takes note.
    pub async fn finish(&mut self, load: Load) {
        self.payments.extend(load.finish().await);
    }

    /// Makes payments and waits for all of them.
    pub async fn pay(&mut self, name: &str, count: usize) {
        let load = self.start(name, count);
        self.finish(load).await;
    }

    /// Replays what was acknowledged, and compares with what the wallet says now.
    ///
    /// # Panics
    /// When a payment was lost, applied twice or answered wrongly, money was made or lost, or a
    /// balance is negative.
    pub async fn check(&self, name: &str) {
        let expected = self.replay();
        assert!(
            expected.values().all(|balance| *balance >= 0),
            "{expected:?}"
        );
        let balances = balances(&self.ask("/balances", name).await);
        assert_eq!(
            balances, expected,
            "the wallet's balances, and those of the replay"
        );
        let total = self.ask("/total", name).await;
        assert_eq!(total["total"].as_u64(), Some(ACCOUNTS * OPENING), "{total}");
    }

    /// Sends payments of the past again, under their keys, each at another gateway than before.
    ///
    /// # Panics
    /// When one is answered differently from the first time.
    pub async fn repeat(&self, count: usize) {
        let step = (self.payments.len() / count).max(1);
        for (call, first) in self.payments.iter().step_by(step) {
            let again = self.client.call(call, first.gateway + 1).await;
            assert_eq!(again.leaf(), first.leaf(), "{call:?}");
            assert_eq!(again.verified.body, first.verified.body, "{call:?}");
        }
    }

    /// The balances after all payments in the agreed order, each compared with its answer.
    fn replay(&self) -> BTreeMap<String, i64> {
        let mut ordered: Vec<&(Call, Acknowledged)> = self.payments.iter().collect();
        ordered.sort_unstable_by_key(|(_, acknowledged)| acknowledged.leaf());
        let places: BTreeSet<(u64, u32)> = ordered.iter().map(|(_, one)| one.leaf()).collect();
        assert_eq!(
            places.len(),
            ordered.len(),
            "two payments share a place in the order"
        );
        let mut balances = self.opened.clone();
        let mut granted = 0;
        for (call, acknowledged) in ordered {
            granted += usize::from(apply(&mut balances, call, acknowledged));
        }
        assert!(granted > 0, "not one payment was granted");
        balances
    }

    async fn ask(&self, target: &str, name: &str) -> Value {
        let call = Call::get(target, format!("ask-{name}-{}", &target[1..]));
        self.client.call(&call, 1).await.json()
    }
}

/// Applies a payment to the balances, as its answer says it was; whether it was granted.
fn apply(balances: &mut BTreeMap<String, i64>, call: &Call, acknowledged: &Acknowledged) -> bool {
    let body: Value = serde_json::from_slice(&call.body).expect("payments are JSON");
    let (from, to) = (text(&body["from"]), text(&body["to"]));
    let amount = body["amount"].as_i64().expect("an amount is a number");
    let granted = balances[&from] >= amount;
    assert_eq!(
        acknowledged.status() == 200,
        granted,
        "{call:?}: {acknowledged:?}"
    );
    if granted {
        *balances.entry(from.clone()).or_default() -= amount;
        *balances.entry(to.clone()).or_default() += amount;
        let answer = acknowledged.json();
        let said = (&answer["from"]["balance"], &answer["to"]["balance"]);
        assert_eq!(
            said,
            (&json!(balances[&from]), &json!(balances[&to])),
            "{call:?}: {answer}"
        );
    }
    granted
}

fn balances(document: &Value) -> BTreeMap<String, i64> {
    let accounts = document.as_array().into_iter().flatten();
    let balance = |account: &Value| Some((text(&account["owner"]), account["balance"].as_i64()?));
    accounts.filter_map(balance).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn account(number: u64) -> String {
    format!("account-{number}")
}

/// The same payments in every run, in no visible pattern.
pub(crate) fn payment(name: &str, number: usize) -> Call {
    let number = u64::try_from(number).expect("stories are short");
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    let (from, amount) = (mixed % ACCOUNTS, 1 + (mixed >> 20) % LARGEST);
    let to = (from + 1 + (mixed >> 10) % (ACCOUNTS - 1)) % ACCOUNTS;
    let body = json!({ "from": account(from), "to": account(to), "amount": amount });
    Call::post("/payments", &body, format!("payment-{name}-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_pays_himself() {
        for number in 0..10_000 {
            let body: Value = serde_json::from_slice(&payment("x", number).body).unwrap();
            assert_ne!(body["from"], body["to"]);
            assert!((1..=LARGEST).contains(&body["amount"].as_u64().unwrap()));
        }
    }
}
