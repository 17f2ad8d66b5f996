//! A primary that leaves every other sequence empty.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct SkipSequences;

impl Attack for SkipSequences {
    fn messages(
        &mut self,
        _: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        messages.retain(
            |message| !matches!(message, Message::PrePrepare(vote) if vote.sequence.0 % 2 == 0),
        );
        messages
    }
}
