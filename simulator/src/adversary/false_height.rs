//! A replica that claims to be far ahead, so that others ask it for what is not there.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, Message, ReplicaId, Sequence, View};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct FalseHeight;

impl Attack for FalseHeight {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        let height = Sequence(scene.certified.0 + scene.random.between(1, 1_000_000));
        for message in &mut messages {
            if let Message::Status(report) = message {
                (report.stable, report.committed) = (height, height);
                (report.executed, report.certified) = (height, height);
                report.view = View(report.view.0 + scene.random.below(3));
            }
        }
        messages
    }

    fn direct(&mut self, _: &mut Scene<'_>, _: ReplicaId, frame: Frame) -> Option<Frame> {
        (!matches!(frame, Frame::Supply(_))).then_some(frame)
    }
}
