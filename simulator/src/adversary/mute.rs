//! A liar that says nothing at all: as good as dead, but never noticed by its own link.

use byzantine_consensus::{Frame, Message, ReplicaId};

use super::{Attack, Scene};

/// Silence.
#[derive(Debug, Default)]
pub(super) struct Mute;

impl Attack for Mute {
    fn messages(&mut self, _: &mut Scene<'_>, _: ReplicaId, _: Vec<Message>) -> Vec<Message> {
        Vec::new()
    }

    fn direct(&mut self, _: &mut Scene<'_>, _: ReplicaId, _: Frame) -> Option<Frame> {
        None
    }

    fn serves(&mut self, _: &mut Scene<'_>) -> bool {
        false
    }
}
