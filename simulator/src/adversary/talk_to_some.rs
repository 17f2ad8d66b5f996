//! A replica that talks to one half alone.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct TalkToSome;

impl Attack for TalkToSome {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        messages.retain(|_| !scene.second_half(to));
        messages
    }

    fn direct(&mut self, scene: &mut Scene<'_>, to: ReplicaId, frame: Frame) -> Option<Frame> {
        (!scene.second_half(to)).then_some(frame)
    }
}
