//! A replica that claims in a view change what never prepared: the votes are all its own.

use super::{Attack, Scene};
use byzantine_consensus::{Batch, Message, PreparedCertificate, ReplicaId, View, Vote};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ForgedPrepared;

impl Attack for ForgedPrepared {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        for message in &mut messages {
            if let Message::ViewChange(vote) = message {
                let sequence = scene.certified + scene.random.between(1, 3);
                let forged = Vote {
                    view: View(vote.view.0.saturating_sub(1)),
                    sequence,
                    digest: Batch::null(sequence).digest(),
                };
                vote.prepared.push(PreparedCertificate {
                    pre_prepare: scene.signed(&Message::PrePrepare(forged)),
                    prepares: vec![scene.signed(&Message::Prepare(forged)); scene.members],
                });
            }
        }
        messages
    }
}
