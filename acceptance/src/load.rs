//! Many requests at a time, each until it is acknowledged, through all gateways in turn.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::client::{Acknowledged, Call, Client};

/// A load that is running.
pub struct Load {
    progress: watch::Receiver<usize>,
    finished: tokio::task::JoinHandle<Vec<(Call, Acknowledged)>>,
}

impl Load {
    /// Starts sending `calls`, `in_flight` of them at a time.
    pub fn start(client: &Arc<Client>, calls: Vec<Call>, in_flight: usize) -> Self {
        let (counter, progress) = watch::channel(0);
        let client = Arc::clone(client);
        let finished = tokio::spawn(send_all(client, calls, in_flight, counter));
        Self { progress, finished }
    }

    /// Waits until so many requests are acknowledged.
    ///
    /// # Panics
    /// When the load ends before.
    pub async fn reached(&mut self, count: usize) {
        let reached = self
            .progress
            .wait_for(|acknowledged| *acknowledged >= count)
            .await;
        assert!(
            reached.is_ok(),
            "the load ended before {count} requests were acknowledged"
        );
    }

    /// Waits until all are acknowledged, and returns them in the order of the calls.
    ///
    /// # Panics
    /// When a request is not acknowledged in time.
    pub async fn finish(self) -> Vec<(Call, Acknowledged)> {
        self.finished
            .await
            .expect("every request is acknowledged in time")
    }
}

async fn send_all(
    client: Arc<Client>,
    calls: Vec<Call>,
    in_flight: usize,
    counter: watch::Sender<usize>,
) -> Vec<(Call, Acknowledged)> {
    let room = Arc::new(Semaphore::new(in_flight));
    let (mut running, mut done) = (JoinSet::new(), Vec::new());
    for (number, call) in calls.into_iter().enumerate() {
        let (client, room, counter) = (Arc::clone(&client), Arc::clone(&room), counter.clone());
        running.spawn(async move {
            let _permit = room
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            let acknowledged = client.call(&call, number % client.gateways()).await;
            counter.send_modify(|count| *count += 1);
            (number, call, acknowledged)
        });
    }
    while let Some(joined) = running.join_next().await {
        done.push(joined.expect("a request is acknowledged"));
    }
    done.sort_unstable_by_key(|(number, ..)| *number);
    done.into_iter()
        .map(|(_, call, acknowledged)| (call, acknowledged))
        .collect()
}
