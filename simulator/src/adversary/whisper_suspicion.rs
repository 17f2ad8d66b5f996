//! A replica that suspects every primary, and tells only one other so: that one may leave the view
//! while the rest could go on without it.

use byzantine_consensus::{Frame, Message, ReplicaId, Subject, Suspicion, View};

use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct WhisperSuspicion {
    said: Option<View>,
}

impl Attack for WhisperSuspicion {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if self.said == Some(scene.view) {
            return Vec::new();
        }
        self.said = Some(scene.view);
        let (view, subject) = (scene.view, Subject::NewView);
        let frame = scene.seal(&[Message::Suspect(Suspicion { view, subject })]);
        let others = scene.others();
        vec![(others[scene.random.place(others.len())], frame)]
    }

    fn messages(
        &mut self,
        _: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        messages.retain(|message| !matches!(message, Message::Suspect(_)));
        messages
    }
}
