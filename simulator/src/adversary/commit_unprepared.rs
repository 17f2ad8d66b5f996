//! A replica that commits whatever is proposed, prepared or not.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct CommitUnprepared;

impl Attack for CommitUnprepared {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let proposed = scene
            .heard
            .signed
            .get("PRE-PREPARE")
            .into_iter()
            .flatten()
            .rev()
            .take(4);
        let votes = proposed.filter_map(|signed| match borsh::from_slice(&signed.message) {
            Ok(Message::PrePrepare(vote)) => Some(Message::Commit(vote)),
            _ => None,
        });
        let votes: Vec<Message> = votes.collect();
        if votes.is_empty() {
            return Vec::new();
        }
        let frame = scene.seal(&votes);
        scene.to_all(&frame)
    }
}
