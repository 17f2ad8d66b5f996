//! A replica that says again what anyone said long ago.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ReplayOld;

impl Attack for ReplayOld {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let mut frames = Vec::new();
        for signed in scene.heard.signed.values() {
            if let Some(first) = signed.get(scene.random.place(signed.len())) {
                frames.push(Frame::Relay(vec![first.clone()]));
            }
        }
        frames
            .iter()
            .flat_map(|frame| scene.to_all(frame))
            .collect()
    }
}
