//! Liars that are honest until they are primary, and then silent: one after the other.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct MutePrimary;

impl Attack for MutePrimary {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        let primary = scene.is_primary();
        messages.retain(|message| {
            !(primary && matches!(message, Message::PrePrepare(_) | Message::NewView(_)))
        });
        messages
    }
}
