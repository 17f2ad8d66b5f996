//! The wallet as its users see it, and the sums that must hold whatever happens to replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::client::{Acknowledged, Call, Client};
use crate::load::Load;

/// Accounts in a story.
const ACCOUNTS: u64 = 20;

/// What each account is opened with; little enough that some offers exceed it.
const OPENING: u64 = 1_000;

/// The largest amount offered.
const LARGEST: u64 = 100;

/// One in so many offers is rejected by its receiver.
const REJECTED: usize = 10;

/// A wallet service under test, with all that was acknowledged so far.
pub struct Wallet {
    client: Arc<Client>,
    in_flight: usize,
    acknowledged: Vec<(Call, Acknowledged)>,
    balances: BTreeMap<String, i64>,
}

impl Wallet {
    /// Opens the accounts.
    ///
    /// # Panics
    /// When one is not opened.
    pub async fn open(client: &Arc<Client>, in_flight: usize) -> Self {
        let mut wallet = Self {
            client: Arc::clone(client),
            in_flight,
            acknowledged: Vec::new(),
            balances: BTreeMap::new(),
        };
        let opening = |number| {
            let body = json!({ "name": account(number), "balance": OPENING });
            Call::post("/accounts", &body, format!("open-{number}"))
        };
        let opened = wallet
            .start((0..ACCOUNTS).map(opening).collect())
            .finish()
            .await;
        for (call, opened) in &opened {
            assert!(opened.status() < 300, "{call:?} gave {opened:?}");
        }
        let balance = i64::try_from(OPENING).expect("openings are small");
        wallet.balances = (0..ACCOUNTS)
            .map(|number| (account(number), balance))
            .collect();
        wallet.acknowledged.extend(opened);
        wallet
    }

    /// Starts offering payments: `count` of them, all different and none repeatable.
    pub fn offer(&self, name: &str, count: usize) -> Load {
        self.start((0..count).map(|number| offer(name, number)).collect())
    }

    /// Takes note of offers, and starts answering each: most are accepted, some rejected.
    ///
    /// # Panics
    /// When an offer has no identity of its own.
    pub fn answer(&mut self, offers: Vec<(Call, Acknowledged)>) -> Load {
        let made: Vec<&(Call, Acknowledged)> = offers
            .iter()
            .filter(|(_, offered)| offered.status() < 300)
            .collect();
        let ids: BTreeSet<String> = made.iter().map(|(_, offered)| identity(offered)).collect();
        assert_eq!(
            ids.len(),
            made.len(),
            "every offer has an identity of its own"
        );
        let answers = made.iter().enumerate().map(|(number, (call, offered))| {
            let verb = if number % REJECTED == 0 {
                "reject"
            } else {
                "accept"
            };
            let target = format!("/transfers/{}/{verb}", identity(offered));
            Call::post(target, &json!({}), format!("{verb}-{}", call.key))
        });
        let load = self.start(answers.collect());
        self.acknowledged.extend(offers);
        load
    }

    /// Takes note of answers: what was accepted has moved.
    ///
    /// # Panics
    /// When an answer belongs to no offer.
    pub fn settle(&mut self, answers: Vec<(Call, Acknowledged)>) {
        for (call, answered) in &answers {
            let Some(key) = call.key.strip_prefix("accept-") else {
                continue;
            };
            if answered.status() >= 300 {
                continue;
            }
            let offers = &mut self.acknowledged.iter();
            let offer = offers.find(|(offer, _)| offer.key == key);
            let (offer, _) = offer.expect("an answer belongs to an offer");
            let body: Value = serde_json::from_slice(&offer.body).expect("offers are JSON");
            let amount = body["amount"].as_i64().expect("an amount is a number");
            *self.balance(&body["from"]) -= amount;
            *self.balance(&body["to"]) += amount;
        }
        self.acknowledged.extend(answers);
    }

    /// Offers and answers, one after the other, until all is acknowledged.
    pub async fn pay(&mut self, name: &str, requests: usize) {
        let offers = self.offer(name, requests / 2).finish().await;
        let answers = self.answer(offers).finish().await;
        self.settle(answers);
    }

    /// Compares what the wallet says with the sum of what it acknowledged.
    ///
    /// # Panics
    /// When money was lost, made or moved twice, or a balance is negative.
    pub async fn check(&self, name: &str) {
        let balances = self.ask("/balances", name).await;
        for (account, expected) in &self.balances {
            let balance = balances[account].as_i64();
            assert_eq!(balance, Some(*expected), "{account} in {balances}");
            assert!(*expected >= 0, "{account} has {expected}");
        }
        let total = self.ask("/total", name).await;
        assert_eq!(total["total"].as_u64(), Some(ACCOUNTS * OPENING), "{total}");
        self.check_leaves();
    }

    /// Sends requests of the past again, under their keys, each at another gateway than before.
    ///
    /// # Panics
    /// When one is answered differently from the first time.
    pub async fn repeat(&self, count: usize) {
        let step = (self.acknowledged.len() / count).max(1);
        for (call, first) in self.acknowledged.iter().step_by(step) {
            let again = self.client.call(call, first.gateway + 1).await;
            assert_eq!(again.leaf(), first.leaf(), "{call:?}");
            assert_eq!(again.verified.body, first.verified.body, "{call:?}");
        }
    }

    /// Everything acknowledged so far.
    pub fn acknowledged(&self) -> &[(Call, Acknowledged)] {
        &self.acknowledged
    }

    /// Every request has a place of its own in the order.
    fn check_leaves(&self) {
        let leaves = self
            .acknowledged
            .iter()
            .map(|(_, acknowledged)| acknowledged.leaf());
        let distinct: BTreeSet<(u64, u32)> = leaves.collect();
        assert_eq!(
            distinct.len(),
            self.acknowledged.len(),
            "two requests share a leaf"
        );
    }

    async fn ask(&self, target: &str, name: &str) -> Value {
        let call = Call::get(target, format!("ask-{name}-{}", &target[1..]));
        self.client.call(&call, 1).await.json()
    }

    fn balance(&mut self, account: &Value) -> &mut i64 {
        let account = account.as_str().expect("an account is a name");
        self.balances
            .get_mut(account)
            .expect("an offer names known accounts")
    }

    fn start(&self, calls: Vec<Call>) -> Load {
        Load::start(&self.client, calls, self.in_flight)
    }
}

fn account(number: u64) -> String {
    format!("account-{number}")
}

/// The same offers in every run, in no visible pattern.
fn offer(name: &str, number: usize) -> Call {
    let number = u64::try_from(number).expect("stories are short");
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    let (from, amount) = (mixed % ACCOUNTS, 1 + (mixed >> 20) % LARGEST);
    let to = (from + 1 + (mixed >> 10) % (ACCOUNTS - 1)) % ACCOUNTS;
    let body = json!({ "from": account(from), "to": account(to), "amount": amount });
    Call::post("/transfers", &body, format!("offer-{name}-{number}"))
}

/// What an offer is called in the path of its answer.
fn identity(offered: &Acknowledged) -> String {
    offered.json()["id"]
        .to_string()
        .trim_matches('"')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_pays_himself() {
        for number in 0..10_000 {
            let body: Value = serde_json::from_slice(&offer("x", number).body).unwrap();
            assert_ne!(body["from"], body["to"]);
            assert!((1..=LARGEST).contains(&body["amount"].as_u64().unwrap()));
        }
    }
}
