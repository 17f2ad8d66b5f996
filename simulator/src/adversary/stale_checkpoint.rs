//! A replica that shows an old checkpoint in a view change, or one with too few cosignatures.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct StaleCheckpoint;

impl Attack for StaleCheckpoint {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        for message in &mut messages {
            if let Message::ViewChange(vote) = message {
                if scene.random.chance(500) {
                    vote.stable = None;
                } else if let Some(stable) = &mut vote.stable {
                    let copy = stable.certificate.cosignatures[0];
                    stable.certificate.cosignatures = vec![copy; scene.members];
                }
            }
        }
        messages
    }
}
