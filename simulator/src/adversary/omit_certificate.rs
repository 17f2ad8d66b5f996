//! A replica that keeps its prepared certificates to itself in a view change.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct OmitCertificate;

impl Attack for OmitCertificate {
    fn messages(
        &mut self,
        _: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        for message in &mut messages {
            if let Message::ViewChange(vote) = message {
                vote.prepared.clear();
            }
        }
        messages
    }
}
