//! A primary that is slow on purpose: just under the timeout, every time.

use super::{Attack, Scene};
use byzantine_consensus::ReplicaId;

/// The attack.
#[derive(Debug, Default)]
pub(super) struct Stall;

impl Attack for Stall {
    fn delay(&mut self, scene: &mut Scene<'_>, _: ReplicaId) -> u64 {
        if scene.is_primary() {
            scene.request_timeout / 10 * 8
        } else {
            0
        }
    }
}
