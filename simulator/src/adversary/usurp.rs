//! A backup that proposes as if it were primary, and a primary that votes as if it were a backup.

use super::{Attack, Scene};
use byzantine_consensus::{Batch, Frame, Message, ReplicaId, Vote};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct Usurp;

impl Attack for Usurp {
    /// Its PRE-PREPARE is its vote already; a PREPARE beside it must not count as another.
    fn messages(
        &mut self,
        _scene: &mut Scene<'_>,
        _to: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        let proposed = messages.iter().filter_map(|message| match message {
            Message::PrePrepare(vote) => Some(Message::Prepare(*vote)),
            _ => None,
        });
        let prepares: Vec<Message> = proposed.collect();
        messages.extend(prepares);
        messages
    }

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
