//! A replica that passes off others' words as its own, and its own as others'.

use super::{Attack, Scene};
use byzantine_consensus::{Batch, Frame, Message, ReplicaId, Vote};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct Impersonate;

impl Attack for Impersonate {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let latest = scene.heard.frames.iter().rev().take(2);
        let mut frames: Vec<Frame> = latest.map(|frame| frame.frame().clone()).collect();
        // A PRE-PREPARE in the name of one who is not primary would convict that one.
        let members = u8::try_from(scene.members).unwrap_or(1);
        let primary = scene.view.primary(scene.members);
        let victim = ReplicaId((primary.0 + 1) % members);
        let batch = Batch::null(scene.certified.next());
        let vote = Vote {
            view: scene.view,
            sequence: batch.sequence,
            digest: batch.digest(),
        };
        if let Frame::Envelope {
            mut envelope,
            batches,
        } = scene.seal(&[Message::PrePrepare(vote)])
        {
            envelope.sender = victim;
            frames.push(Frame::Envelope { envelope, batches });
        }
        frames
            .iter()
            .flat_map(|frame| scene.to_all(frame))
            .collect()
    }
}
