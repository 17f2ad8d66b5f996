//! A replica that tells different peers different things, all properly signed: what agreement
//! among 3f+1 exists to survive.
//!
//! As primary it proposes to some backups another batch, as valid as the first, for the same
//! sequence; whom it deceives changes from sequence to sequence, so that now the one, now the
//! other may gather votes. All its PREPAREs and COMMITs go out twice, for two digests.

use bytes::Bytes;
use byzantine_consensus::{Batch, Digest, Message, UnixMillis, Vote};
use byzantine_sidecar::Interposer;
use byzantine_sidecar::interposer::{Outbound, Parcel, envelope_frame};

use crate::Seed;
use crate::rewrite::{Addressed, for_each_peer, number};

/// Signs two of everything.
pub(crate) struct Equivocate {
    seed: Seed,
}

impl Equivocate {
    pub(crate) const fn new(seed: Seed) -> Self {
        Self { seed }
    }

    /// Which of two stories a peer hears first about a sequence.
    fn deceives(&self, place: usize, vote: &Vote) -> bool {
        let sum = self.seed.0.wrapping_add(number(place));
        !sum.wrapping_add(vote.sequence.0).is_multiple_of(2)
    }

    fn frames(&self, outbound: &Outbound<'_>, addressed: &Addressed<'_>) -> Vec<Bytes> {
        let mut batches = addressed.batches.to_vec();
        let first = self.first_story(addressed, &mut batches);
        let second: Vec<Message> = addressed
            .messages
            .iter()
            .filter_map(|message| self.second_story(addressed.place, message))
            .collect();
        let mut frames = vec![if first == addressed.messages {
            addressed.honest()
        } else {
            envelope_frame((outbound.seal)(&first), batches)
        }];
        if !second.is_empty() {
            frames.push(envelope_frame((outbound.seal)(&second), Vec::new()));
        }
        frames
    }

    /// The messages with the deceived peer's proposals and votes exchanged.
    fn first_story(&self, addressed: &Addressed<'_>, batches: &mut [Bytes]) -> Vec<Message> {
        let messages = addressed.messages.iter();
        let told = messages.map(|message| match message {
            Message::PrePrepare(vote) if self.deceives(addressed.place, vote) => {
                Message::PrePrepare(exchange(vote, batches))
            }
            Message::Prepare(vote) if self.deceives(addressed.place, vote) => {
                Message::Prepare(another(vote))
            }
            Message::Commit(vote) if self.deceives(addressed.place, vote) => {
                Message::Commit(another(vote))
            }
            other => other.clone(),
        });
        told.collect()
    }

    /// The same vote for the digest that the first story did not name.
    fn second_story(&self, place: usize, message: &Message) -> Option<Message> {
        let opposite = |vote: &Vote| {
            if self.deceives(place, vote) {
                *vote
            } else {
                another(vote)
            }
        };
        match message {
            Message::Prepare(vote) => Some(Message::Prepare(opposite(vote))),
            Message::Commit(vote) => Some(Message::Commit(opposite(vote))),
            _ => None,
        }
    }
}

impl Interposer for Equivocate {
    fn outbound(&self, outbound: &Outbound<'_>) -> Vec<Parcel> {
        for_each_peer(
            outbound,
            |addressed| self.frames(outbound, addressed),
            |_, frame| frame.encode(),
        )
    }
}

/// Replaces the batch that a proposal names by another valid one, where it travels beside it.
fn exchange(vote: &Vote, batches: &mut [Bytes]) -> Vote {
    for bytes in batches {
        let batch = Batch::decode(bytes).filter(|batch| batch.digest() == vote.digest);
        if let Some(other) = batch.and_then(other_batch) {
            *bytes = other.encode();
            let digest = other.digest();
            return Vote { digest, ..*vote };
        }
    }
    *vote
}

/// The same requests a millisecond later in the opposite order; null batches have no other.
fn other_batch(batch: Batch) -> Option<Batch> {
    let time = batch.time.map(|time| UnixMillis(time.0 + 1))?;
    Some(Batch {
        time: Some(time),
        requests: batch.requests.into_iter().rev().collect(),
        admissions: batch.admissions.into_iter().rev().collect(),
        ..batch
    })
}

/// A vote for a batch that nobody proposed.
fn another(vote: &Vote) -> Vote {
    let digest = Digest::of(vote.digest.as_bytes());
    Vote { digest, ..*vote }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::scene;

    #[test]
    fn backups_get_different_valid_batches_for_one_sequence() {
        let batch = scene::batch(1);
        let proposal = [Message::PrePrepare(scene::vote(&batch))];
        let parcels = scene::sent(&Equivocate::new(Seed(0)), &proposal, &[batch.encode()], &[]);
        let mut proposed = Vec::new();
        for parcel in &parcels {
            let (messages, batches) = scene::read(&parcel.frame);
            let [Message::PrePrepare(vote)] = messages.as_slice() else {
                panic!("one PRE-PREPARE");
            };
            let beside = Batch::decode(&batches[0]).expect("a valid batch");
            assert_eq!(
                (beside.sequence, beside.digest()),
                (vote.sequence, vote.digest)
            );
            proposed.push(vote.digest);
        }
        assert_eq!(proposed.len(), 3);
        assert_eq!(proposed[0], proposed[2]);
        assert_ne!(proposed[0], proposed[1]);
    }

    #[test]
    fn each_peer_hears_two_votes_and_not_all_the_same_one_first() {
        let vote = scene::vote(&scene::batch(1));
        let parcels = scene::sent(
            &Equivocate::new(Seed(0)),
            &[Message::Prepare(vote)],
            &[],
            &[],
        );
        assert_eq!(parcels.len(), 6);
        let first = |parcel: &Parcel| scene::read(&parcel.frame).0;
        for pair in parcels.chunks(2) {
            assert_eq!(pair[0].to, pair[1].to);
            assert_ne!(first(&pair[0]), first(&pair[1]));
        }
        assert_ne!(first(&parcels[0]), first(&parcels[2]));
    }

    #[test]
    fn what_it_does_not_lie_about_is_sent_as_it_is() {
        let status = [Message::Status(byzantine_consensus::StatusReport::default())];
        let parcels = scene::sent(&Equivocate::new(Seed(0)), &status, &[], &[]);
        assert_eq!(parcels.len(), 3);
        assert_eq!(scene::read(&parcels[1].frame).0, status);
    }
}
