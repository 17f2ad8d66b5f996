//! A replica that votes for what it likes, and for its opposite.

use super::{Attack, Scene};
use byzantine_consensus::{Batch, Message, ReplicaId, Vote};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct DoubleVote;

impl Attack for DoubleVote {
    fn messages(
        &mut self,
        _: &mut Scene<'_>,
        _: ReplicaId,
        messages: Vec<Message>,
    ) -> Vec<Message> {
        let mut doubled = messages.clone();
        for message in messages {
            let other = |vote: Vote| Vote {
                digest: Batch::null(vote.sequence).digest(),
                ..vote
            };
            match message {
                Message::Prepare(vote) => doubled.push(Message::Prepare(other(vote))),
                Message::Commit(vote) => doubled.push(Message::Commit(other(vote))),
                Message::PrePrepare(vote) => doubled.push(Message::PrePrepare(other(vote))),
                _ => {}
            }
        }
        doubled
    }
}
