//! A replica that tells one half one RESULT, and the other half another.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct SplitResults;

impl Attack for SplitResults {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        messages: Vec<Message>,
    ) -> Vec<Message> {
        let mut said = messages;
        if scene.second_half(to) {
            for message in &mut said {
                if let Message::Result(vote) = message {
                    vote.leaves.fill(None);
                }
            }
        }
        said
    }
}
