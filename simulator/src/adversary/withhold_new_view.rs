//! A primary that never opens its view.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct WithholdNewView;

impl Attack for WithholdNewView {
    fn messages(
        &mut self,
        _: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        messages.retain(|message| !matches!(message, Message::NewView(_)));
        messages
    }
}
