//! A replica that hands out ledger entries with other answers in them.

use super::{Attack, Scene};
use bytes::Bytes;
use byzantine_consensus::{Frame, ReplicaId, Supply};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct PoisonedEntries;

impl Attack for PoisonedEntries {
    fn direct(&mut self, scene: &mut Scene<'_>, _: ReplicaId, frame: Frame) -> Option<Frame> {
        let Frame::Supply(Supply::Entries(mut entries)) = frame else {
            return Some(frame);
        };
        for entry in &mut entries {
            match scene.random.below(4) {
                0 => entry.answers.clear(),
                1 => entry.requests.clear(),
                2 => entry.commit.commits.truncate(1),
                _ => {
                    for settled in &mut entry.answers {
                        settled.answer.content = Bytes::from_static(b"moved 7 7");
                    }
                }
            }
        }
        Some(Frame::Supply(Supply::Entries(entries)))
    }
}
