//! A primary that opens its view and proposes nothing of what the view demands.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId, Vote};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct DropReproposals;

impl Attack for DropReproposals {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        let certified = scene.certified + 2;
        messages.retain(|message| {
            let again = |vote: &Vote| vote.view.0 > 0 && vote.sequence <= certified;
            !matches!(message, Message::PrePrepare(vote) if again(vote))
        });
        messages
    }
}
