//! A backup that proposes as if it were primary.

use super::{Attack, Scene};
use byzantine_consensus::{Batch, Frame, Message, ReplicaId, Vote};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct Usurp;

impl Attack for Usurp {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if scene.is_primary() || scene.random.chance(500) {
            return Vec::new();
        }
        let batch = Batch::null(scene.certified + scene.random.between(1, 3));
        let vote = Vote {
            view: scene.view,
            sequence: batch.sequence,
            digest: batch.digest(),
        };
        let messages = [
            Message::PrePrepare(vote),
            Message::Prepare(vote),
            Message::Commit(vote),
        ];
        let frame = scene.seal_with(&messages, vec![batch.encode()]);
        scene.to_all(&frame)
    }
}
