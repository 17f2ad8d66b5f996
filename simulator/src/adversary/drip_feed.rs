//! A replica that supplies what is asked for drop by drop, and late.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, ReplicaId, Supply};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct DripFeed;

impl Attack for DripFeed {
    fn direct(&mut self, _: &mut Scene<'_>, _: ReplicaId, frame: Frame) -> Option<Frame> {
        Some(match frame {
            Frame::Supply(Supply::Entries(mut entries)) => {
                entries.truncate(1);
                Frame::Supply(Supply::Entries(entries))
            }
            Frame::Supply(Supply::Requests(mut requests)) => {
                requests.truncate(1);
                Frame::Supply(Supply::Requests(requests))
            }
            other => other,
        })
    }

    fn delay(&mut self, scene: &mut Scene<'_>, _: ReplicaId) -> u64 {
        scene.random.below(200_000)
    }
}
