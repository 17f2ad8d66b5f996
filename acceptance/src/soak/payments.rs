//! Payments at a steady rate, each until it is acknowledged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::client_log::{ClientLog, Payment};
use crate::client::{Call, Client};
use crate::wallet::{ACCOUNTS, OPENING, account, payment};

/// Payments under way at a time; more wait, as clients do.
const IN_FLIGHT: usize = 64;

/// A load that goes on until it is told to stop.
pub(super) struct Payments {
    log: Arc<Mutex<ClientLog>>,
    acknowledged: watch::Receiver<usize>,
    running: tokio::task::JoinHandle<()>,
}

impl Payments {
    /// Opens the accounts and starts.
    pub(super) async fn start(
        client: &Arc<Client>,
        rate: u32,
        stopped: &watch::Receiver<bool>,
    ) -> Self {
        for number in 0..ACCOUNTS {
            let body = json!({ "owner": account(number), "opening": OPENING });
            let open = Call::post("/accounts", &body, format!("open-{number}"));
            assert_eq!(client.call(&open, 0).await.status(), 201);
        }
        let log = Arc::default();
        let (counter, acknowledged) = watch::channel(0);
        let pause = Duration::from_secs(1) / rate.max(1);
        let paying = pay(
            Arc::clone(client),
            Arc::clone(&log),
            counter,
            pause,
            stopped.clone(),
        );
        Self {
            log,
            acknowledged,
            running: tokio::spawn(paying),
        }
    }

    /// How many are acknowledged.
    pub(super) fn acknowledged(&self) -> watch::Receiver<usize> {
        self.acknowledged.clone()
    }

    /// Waits for the last ones.
    ///
    /// # Panics
    /// When one is never acknowledged.
    pub(super) async fn finish(self) -> ClientLog {
        self.running.await.expect("every payment is acknowledged");
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut log)
    }
}

async fn pay(
    client: Arc<Client>,
    log: Arc<Mutex<ClientLog>>,
    counter: watch::Sender<usize>,
    pause: Duration,
    stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let (mut running, mut ticks) = (JoinSet::new(), tokio::time::interval(pause));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        if *stopped.borrow() {
            break;
        }
        ticks.tick().await;
        let permit = Arc::clone(&room).acquire_owned().await;
        let (client, log, counter) = (Arc::clone(&client), Arc::clone(&log), counter.clone());
        running.spawn(async move {
            let call = payment("soak", number);
            let answer = client.call(&call, number % client.gateways()).await;
            let payment = Payment::new(&call, &answer);
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(payment);
            counter.send_modify(|count| *count += 1);
            drop(permit);
        });
        while let Some(done) = running.try_join_next() {
            done.expect("a payment is acknowledged");
        }
    }
    while let Some(done) = running.join_next().await {
        done.expect("a payment is acknowledged");
    }
}
