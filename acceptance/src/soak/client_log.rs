//! What clients were told, kept small, and the two questions asked of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use byzantine_proof::{Membership, ReplicaId};
use byzantine_sidecar::ledger::{Ledger, Sequence};
use serde_json::Value;

use crate::client::{Acknowledged, Call, Client};
use crate::service::Service;
use crate::wallet::{ACCOUNTS, OPENING, account};

/// All acknowledged payments.
#[derive(Debug, Default)]
pub(super) struct ClientLog {
    payments: Vec<Payment>,
}

/// One acknowledged payment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Payment {
    /// Its place in the order.
    place: (u64, u32),
    /// The certified leaf.
    leaf: String,
    from: String,
    to: String,
    amount: i64,
    /// The balances it was answered with, if it was granted.
    balances: Option<(i64, i64)>,
}

impl Payment {
    pub(super) fn new(call: &Call, answer: &Acknowledged) -> Self {
        let asked: Value = serde_json::from_slice(&call.body).expect("payments are JSON");
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let granted = (answer.status() == 200).then(|| answer.json());
        let balance = |answer: &Value, side: &str| answer[side]["balance"].as_i64();
        let balances = granted
            .map(|answer| Some((balance(&answer, "from")?, balance(&answer, "to")?)))
            .map(|balances| balances.expect("a granted payment names both balances"));
        Self {
            place: answer.leaf(),
            leaf: answer.verified.leaf.to_text(),
            from: text("from"),
            to: text("to"),
            amount: asked["amount"].as_i64().expect("an amount is a number"),
            balances,
        }
    }
}

impl ClientLog {
    pub(super) fn push(&mut self, payment: Payment) {
        self.payments.push(payment);
    }

    pub(super) const fn len(&self) -> usize {
        self.payments.len()
    }

    /// Replays all payments in the agreed order: each must have got the answer that follows, and
    /// the wallet must say now what comes out.
    ///
    /// # Panics
    /// When one was lost, applied twice or answered wrongly.
    pub(super) async fn check_balances(&self, client: &Arc<Client>) {
        let ordered: BTreeSet<&Payment> = self.payments.iter().collect();
        assert_eq!(ordered.len(), self.len(), "payments share a place");
        let opening = i64::try_from(OPENING).expect("openings are small");
        let mut balances: BTreeMap<String, i64> = (0..ACCOUNTS)
            .map(|number| (account(number), opening))
            .collect();
        for payment in ordered {
            apply(&mut balances, payment);
        }
        let said = client.call(&Call::get("/balances", "the-end"), 0).await;
        let said = said.json();
        let said = said.as_array().into_iter().flatten();
        let said: BTreeMap<String, i64> = said
            .filter_map(|one| Some((one["owner"].as_str()?.to_owned(), one["balance"].as_i64()?)))
            .collect();
        assert_eq!(said, balances, "the wallet's balances, and the replay's");
    }

    /// Looks every payment up in every ledger of the stopped service; returns how many there are.
    ///
    /// # Panics
    /// When one is missing, or stands there otherwise.
    pub(super) fn check_ledgers(&self, service: &Service) -> usize {
        let text = std::fs::read_to_string(service.data().join("membership"));
        let text = text.expect("a service has a membership");
        let membership = Membership::parse(&text).expect("it is one");
        let membership = Arc::new(membership);
        for replica in service.replicas() {
            let file = format!("replica-{replica}/ledger/ledger.redb");
            let file = service.data().join(file);
            let ledger = Ledger::open(&file, Arc::clone(&membership), ReplicaId(replica));
            let ledger = ledger.expect("a stopped replica's ledger opens");
            for payment in &self.payments {
                let (sequence, index) = payment.place;
                let found = ledger.answer_at(Sequence(sequence), index);
                let found = found.expect("the ledger can be read");
                let leaf = found.map(|answer| answer.leaf);
                assert!(
                    leaf.as_deref() == Some(payment.leaf.as_bytes()),
                    "replica {replica} has lost {payment:?}: {leaf:?}"
                );
            }
        }
        service.replicas().count()
    }
}

fn apply(balances: &mut BTreeMap<String, i64>, payment: &Payment) {
    let granted = balances[&payment.from] >= payment.amount;
    assert_eq!(payment.balances.is_some(), granted, "{payment:?}");
    if granted {
        *balances.entry(payment.from.clone()).or_default() -= payment.amount;
        *balances.entry(payment.to.clone()).or_default() += payment.amount;
        let now = (balances[&payment.from], balances[&payment.to]);
        assert_eq!(payment.balances, Some(now), "{payment:?}");
    }
}
