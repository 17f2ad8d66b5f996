//! A primary that jumps to the window's end, and beyond it.

use super::{Attack, Scene};
use byzantine_consensus::{Batch, Frame, Message, ReplicaId, Vote};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct HighWatermark;

impl Attack for HighWatermark {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if !scene.is_primary() {
            return Vec::new();
        }
        let far = scene.certified + 2 * scene.checkpoint_interval + scene.random.below(3);
        let batch = Batch::null(far);
        let vote = Vote {
            view: scene.view,
            sequence: far,
            digest: batch.digest(),
        };
        let frame = scene.seal_with(&[Message::PrePrepare(vote)], vec![batch.encode()]);
        scene.to_all(&frame)
    }
}
