//! A client in the background, as PROOFS demands one: it believes what verifies, retries everything
//! else under the same key on a fresh connection, and counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use byzantine_acceptance::client::{Acknowledged, Refusal};
use byzantine_acceptance::{Call, Client};
use byzantine_proof::Policy;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::door::Door;

/// A request that no gateway answers for so long has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// Between two tries, and between two requests.
const PAUSE: Duration = Duration::from_millis(100);

/// What came of a customer's requests.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests with an answer that verified.
    pub acknowledged: usize,
    /// Tries that were not believed, by why.
    pub refusals: BTreeMap<Refusal, usize>,
    /// Requests that were given up.
    pub failed: Vec<String>,
    /// The longest wait for an answer.
    pub longest: Duration,
}

impl Tally {
    /// How many answers had a proof that does not verify, or none.
    pub fn unverified(&self) -> usize {
        let unverified = self.refusals.iter();
        unverified
            .filter(|(refusal, _)| matches!(refusal, Refusal::Unverified(_)))
            .map(|(_, count)| count)
            .sum()
    }
}

/// A customer that opens one account after the other.
#[derive(Debug)]
pub struct Customer {
    stop: watch::Sender<bool>,
    progress: watch::Receiver<usize>,
    task: JoinHandle<Tally>,
}

impl Customer {
    /// Starts; accounts are named after `name`, which no other customer of the service may have.
    pub fn start(door: Arc<Door>, policy: Policy, name: &str) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (counter, progress) = watch::channel(0);
        let name = name.to_owned();
        let task = tokio::spawn(shop(door, policy, name, stopped, counter));
        Self {
            stop,
            progress,
            task,
        }
    }

    /// How many requests were acknowledged so far.
    pub fn so_far(&self) -> usize {
        *self.progress.borrow()
    }

    /// Waits until so many more requests are acknowledged.
    ///
    /// # Panics
    /// When the customer gave up before.
    pub async fn more(&mut self, count: usize) {
        let target = self.so_far() + count;
        let reached = self.progress.wait_for(|done| *done >= target).await;
        assert!(
            reached.is_ok(),
            "the customer ended before {target} requests"
        );
    }

    /// Stops after the current request.
    ///
    /// # Panics
    /// When the customer itself did.
    pub async fn leave(self) -> Tally {
        self.stop.send_replace(true);
        self.task.await.expect("the customer keeps count")
    }

    /// Stops, and checks what every story demands: no request failed, every answer verified.
    ///
    /// # Panics
    /// When one did fail, or an answer did not verify.
    pub async fn satisfied(self) -> Tally {
        let tally = self.leave().await;
        println!(
            "    customer: {} requests, none failed; longest wait {:.1} s; tries repeated: {:?}",
            tally.acknowledged,
            tally.longest.as_secs_f64(),
            tally.refusals
        );
        assert!(
            tally.failed.is_empty(),
            "requests failed: {:?}",
            tally.failed
        );
        assert_eq!(
            tally.unverified(),
            0,
            "answers that do not verify: {:?}",
            tally.refusals
        );
        assert!(tally.acknowledged > 0, "nothing was asked");
        tally
    }
}

async fn shop(
    door: Arc<Door>,
    policy: Policy,
    name: String,
    stopped: watch::Receiver<bool>,
    counter: watch::Sender<usize>,
) -> Tally {
    let mut tally = Tally::default();
    while !*stopped.borrow() && tally.failed.is_empty() {
        let owner = format!("{name}-{}", tally.acknowledged);
        let body = json!({"owner": owner, "opening": 10});
        let call = Call::post("/accounts", &body, owner);
        let started = Instant::now();
        match persist(&door, &policy, &call, &mut tally.refusals).await {
            Ok(answer) if answer.status() == 201 => tally.acknowledged += 1,
            Ok(answer) => tally.failed.push(format!("{call:?}: {}", answer.status())),
            Err(last) => tally.failed.push(format!("{call:?}: {last:?}")),
        }
        tally.longest = tally.longest.max(started.elapsed());
        counter.send_replace(tally.acknowledged);
        tokio::time::sleep(PAUSE).await;
    }
    tally
}

/// Sends a request until an answer verifies.
///
/// # Errors
/// The last refusal, when none does in time.
pub async fn persist(
    door: &Door,
    policy: &Policy,
    call: &Call,
    refusals: &mut BTreeMap<Refusal, usize>,
) -> Result<Acknowledged, Refusal> {
    let started = Instant::now();
    for tries in 1.. {
        // A fresh client, and so a fresh connection: a kept one leads to the same replica again.
        let client = Client::new(vec![door.url()], policy.clone());
        let refusal = match client.once(call, 0).await {
            Ok(verified) => {
                return Ok(Acknowledged {
                    verified,
                    gateway: 0,
                    tries,
                });
            }
            Err(refusal) => refusal,
        };
        *refusals.entry(refusal.clone()).or_default() += 1;
        if started.elapsed() > PATIENCE {
            return Err(refusal);
        }
        door.turn();
        tokio::time::sleep(PAUSE).await;
    }
    unreachable!("the loop ends with an answer or the deadline")
}
