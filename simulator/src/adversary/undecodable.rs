//! A replica whose messages and batches are no such thing.

use super::{Attack, Scene};
use bytes::Bytes;
use byzantine_consensus::{Frame, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct Undecodable;

impl Attack for Undecodable {
    fn batches(&mut self, scene: &mut Scene<'_>, _: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if scene.random.chance(500) {
            return batches;
        }
        batches
            .iter()
            .map(|bytes| bytes.slice(..bytes.len() / 2))
            .collect()
    }

    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if scene.random.chance(700) {
            return Vec::new();
        }
        let garbage = scene.random.number().to_be_bytes();
        let many =
            vec![Bytes::from_static(&[9]); usize::try_from(scene.random.below(80)).unwrap_or(0)];
        let frames = [
            scene.seal_raw(vec![Bytes::copy_from_slice(&garbage)]),
            scene.seal_raw(many),
            scene.seal(&[scene.requests(vec![Bytes::copy_from_slice(&garbage)])]),
        ];
        frames
            .iter()
            .flat_map(|frame| scene.to_all(frame))
            .collect()
    }
}
