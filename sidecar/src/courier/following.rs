//! Bringing the ledger to where the others still have bodies, one checkpoint interval at a time.
//!
//! It begins when f+1 peers say that they have dropped what comes next here, so that no liar alone
//! makes a replica do without bodies, and ends when they do not say so any more. The core rests
//! meanwhile: the ledger moves without it. Whatever was appended stays, across restarts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use byzantine_consensus::{Bare, Certificate, Follower, Rejection, Sequence, Settlement};
use byzantine_proof::ReplicaId;
use tokio::sync::oneshot;

use super::{Courier, Ended, Order, StateParcel, beside};

/// After this long another peer is asked.
const PATIENCE: Duration = Duration::from_secs(3);

/// How far one interval has come.
pub(super) struct Following {
    follower: Follower,
    entries: Vec<Bare>,
    asked: Option<(ReplicaId, Instant)>,
    turn: usize,
}

impl Following {
    fn next(&self) -> Sequence {
        let count = self.entries.len() as u64;
        Sequence(self.follower.sequence().0.saturating_add(count + 1))
    }
}

impl Courier {
    /// Begins, goes on, asks somebody else, or ends.
    pub(super) async fn look_at_following(&mut self) -> Result<(), Ended> {
        let needed = self.is_without_bodies();
        match (&self.following, needed) {
            (None, true) => self.begin_following().await,
            (Some(following), true) => {
                let late = |(_, since): (ReplicaId, Instant)| since.elapsed() > PATIENCE;
                if following.asked.is_none_or(late) {
                    self.ask_for_entries().await?;
                }
                Ok(())
            }
            (Some(_), false) => {
                self.following = None;
                let sequence = self.parts.ledger.tip().sequence.0;
                tracing::info!(
                    sequence,
                    "the ledger was brought over; this replica takes part"
                );
                self.order(Order::Resume).await
            }
            (None, false) => Ok(()),
        }
    }

    /// Whether f+1 peers have dropped the bodies of what comes next here.
    fn is_without_bodies(&self) -> bool {
        let next = self.parts.ledger.tip().sequence.next();
        let dropped = self.bodies.values().filter(|first| **first > next);
        dropped.count() >= self.weak_quorum()
    }

    async fn begin_following(&mut self) -> Result<(), Ended> {
        let follower = self.follower().await?;
        let sequence = follower.sequence().0;
        tracing::info!(
            sequence,
            "the others have dropped what comes next: it comes without bodies"
        );
        self.following = Some(Following {
            follower,
            entries: Vec::new(),
            asked: None,
            turn: 0,
        });
        self.ask_for_entries().await
    }

    /// One that begins where the ledger ends.
    async fn follower(&self) -> Result<Follower, Ended> {
        let (answer, state) = oneshot::channel();
        self.order(Order::Suspend(answer)).await?;
        let state = state.await.map_err(|_| Ended::Driver)?;
        let parts = &self.parts;
        let (membership, authority) = (Arc::clone(&parts.membership), Arc::clone(&parts.authority));
        let (interval, retention) = (parts.interval, parts.retention);
        Ok(Follower::new(
            membership, authority, interval, retention, state,
        ))
    }

    async fn ask_for_entries(&mut self) -> Result<(), Ended> {
        let Some(following) = &mut self.following else {
            return Ok(());
        };
        following.turn += 1;
        let peer = self.others[following.turn % self.others.len()];
        following.asked = Some((peer, Instant::now()));
        let ask = StateParcel::AskEntries {
            from: following.next(),
            last: following.follower.checkpoint(),
        };
        self.send(peer, ask).await
    }

    /// Takes what was asked for.
    pub(super) async fn on_entries(
        &mut self,
        from: ReplicaId,
        first: Sequence,
        entries: Vec<Bare>,
        certificate: Certificate,
    ) -> Result<(), Ended> {
        let Some(mut following) = self.following.take() else {
            return Ok(());
        };
        let last = following.follower.checkpoint();
        let room = last.0.saturating_sub(first.0).saturating_add(1);
        let asked = following.asked.is_some_and(|(peer, _)| peer == from);
        let fits = first == following.next() && entries.len() as u64 <= room;
        if !asked || !fits || entries.is_empty() {
            self.following = Some(following);
            return Ok(());
        }
        following.entries.extend(entries);
        if following.next() <= last {
            self.following = Some(following);
            return self.ask_for_entries().await;
        }
        self.end_interval(from, following, certificate).await
    }

    async fn end_interval(
        &mut self,
        from: ReplicaId,
        following: Following,
        checkpoint: Certificate,
    ) -> Result<(), Ended> {
        let Following {
            follower,
            entries,
            turn,
            ..
        } = following;
        let certificate = checkpoint.clone();
        let outcome = beside(move || follower.follow(&entries, &certificate)).await;
        let follower = match outcome {
            Ok((moved, settlements)) => {
                self.append(settlements, checkpoint).await?;
                moved
            }
            Err(rejection) => {
                told(from, rejection);
                // Several peers may have supplied it, so all of it is asked for again.
                self.follower().await?
            }
        };
        self.following = Some(Following {
            follower,
            entries: Vec::new(),
            asked: None,
            turn,
        });
        self.look_at_following().await
    }

    async fn append(
        &self,
        settlements: Vec<Settlement>,
        checkpoint: Certificate,
    ) -> Result<(), Ended> {
        let (done, appended) = oneshot::channel();
        let append = Order::Append {
            settlements,
            checkpoint,
            done,
        };
        self.order(append).await?;
        appended.await.map_err(|_| Ended::Driver)
    }
}

fn told(from: ReplicaId, rejection: Rejection) {
    tracing::warn!(%from, ?rejection, "entries without bodies are not those that were certified");
}
