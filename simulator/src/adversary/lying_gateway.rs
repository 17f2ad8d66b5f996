//! A gateway that tells clients what it likes, with whatever proof it has.

use bytes::Bytes;

use super::{Attack, Scene};
use crate::ledger::Proven;

/// The attack.
#[derive(Debug, Default)]
pub(super) struct LyingGateway;

impl Attack for LyingGateway {
    fn reply(&mut self, scene: &mut Scene<'_>, mut proven: Proven) -> Option<Proven> {
        match scene.random.below(4) {
            0 => proven.answer.content = Bytes::from_static(b"moved 0 1000"),
            1 => proven.certificate.cosignatures.truncate(scene.faulty),
            2 => {
                let certificate = &mut proven.certificate;
                certificate.root = proven.answer.leaf_hash();
                (certificate.size, proven.position) = (1, 0);
                proven.path.clear();
                let made = scene.authority.cosign(1, &certificate.root, 1);
                certificate.cosignatures = vec![(scene.me, made); scene.members];
            }
            _ => return None,
        }
        Some(proven)
    }
}
