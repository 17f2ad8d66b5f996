//! A gateway that tells the primary of its requests, and nobody else; nor does it supply them.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, Message, ReplicaId, Supply};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct WithholdBody;

impl Attack for WithholdBody {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        messages.retain(|message| {
            !matches!(message, Message::Requests { .. }) || scene.view.primary(scene.members) == to
        });
        messages
    }

    fn direct(&mut self, _: &mut Scene<'_>, _: ReplicaId, frame: Frame) -> Option<Frame> {
        let body = matches!(
            frame,
            Frame::Supply(Supply::Requests(_) | Supply::Batches(_))
        );
        (!body).then_some(frame)
    }
}
