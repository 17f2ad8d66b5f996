//! A replica that passes off others' words as its own, and its own as others'.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, Message, ReplicaId, StatusReport};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct Impersonate;

impl Attack for Impersonate {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let mut frames: Vec<Frame> = scene.heard.frames.iter().rev().take(2).cloned().collect();
        if let Frame::Envelope {
            mut envelope,
            batches,
        } = scene.seal(&[Message::Status(StatusReport::default())])
        {
            envelope.sender =
                ReplicaId((scene.me.0 + 1) % u8::try_from(scene.members).unwrap_or(1));
            frames.push(Frame::Envelope { envelope, batches });
        }
        frames
            .iter()
            .flat_map(|frame| scene.to_all(frame))
            .collect()
    }
}
