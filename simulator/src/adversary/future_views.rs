//! A replica that floods everyone with votes for views that will not come.

use super::{Attack, Scene};
use byzantine_consensus::{Batch, Frame, Message, ReplicaId, Subject, Suspicion, View, Vote};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct FutureViews;

impl Attack for FutureViews {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let mut messages = Vec::new();
        for distance in 1..12 {
            let view = View(scene.view.0 + distance * scene.random.between(1, 1000));
            let sequence = scene.certified + distance % 5;
            let digest = Batch::null(sequence).digest();
            let vote = Vote {
                view,
                sequence,
                digest,
            };
            let subject = Subject::NewView;
            messages.push(Message::Prepare(vote));
            messages.push(Message::Commit(vote));
            messages.push(Message::PrePrepare(vote));
            messages.push(Message::Suspect(Suspicion { view, subject }));
        }
        let frame = scene.seal(&messages);
        scene.to_all(&frame)
    }
}
