//! A primary that proposes nothing where its new view demands something.

use super::{Attack, Scene};
use byzantine_consensus::{Batch, Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct AlterReproposals;

impl Attack for AlterReproposals {
    fn messages(
        &mut self,
        _: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        for message in &mut messages {
            if let Message::PrePrepare(vote) = message
                && vote.view.0 > 0
            {
                vote.digest = Batch::null(vote.sequence).digest();
            }
        }
        messages
    }
}
