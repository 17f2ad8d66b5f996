//! A replica that orders, and never says what its app answered.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct SilentResults;

impl Attack for SilentResults {
    fn messages(
        &mut self,
        _: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        messages.retain(|message| {
            !matches!(
                message,
                Message::Result(_) | Message::Attest(_) | Message::Promise(_)
            )
        });
        messages
    }
}
