//! A primary that fills the window with batches of nothing.

use super::{Attack, Scene};
use byzantine_consensus::{Batch, Frame, Message, ReplicaId, Vote};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ExhaustSequences;

impl Attack for ExhaustSequences {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if !scene.is_primary() || scene.random.chance(700) {
            return Vec::new();
        }
        let (mut votes, mut batches) = (Vec::new(), Vec::new());
        for distance in 1..=2 * scene.checkpoint_interval + 2 {
            let batch = Batch::null(scene.certified + distance);
            votes.push(Message::PrePrepare(Vote {
                view: scene.view,
                sequence: batch.sequence,
                digest: batch.digest(),
            }));
            batches.push(batch.encode());
        }
        let frame = scene.seal_with(&votes, batches);
        scene.to_all(&frame)
    }
}
