//! A replica that suspects every primary at once, and moves on without a reason.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, Message, ReplicaId, Subject, Suspicion, ViewChange};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct SuspectAlways;

impl Attack for SuspectAlways {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let (view, subject) = (scene.view, Subject::NewView);
        let suspicion = Message::Suspect(Suspicion { view, subject });
        let own = scene.signed(&suspicion);
        let hasty = ViewChange {
            view: view.next(),
            suspicions: vec![own; scene.members],
            stable: None,
            prepared: Vec::new(),
        };
        let frame = scene.seal(&[suspicion, Message::ViewChange(hasty)]);
        scene.to_all(&frame)
    }
}
