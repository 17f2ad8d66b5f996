//! A primary that proposes to one half alone.

use byzantine_consensus::{Message, ReplicaId};
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ProposeToSome;

impl Attack for ProposeToSome {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        messages.retain(|message| !matches!(message, Message::PrePrepare(_)) || !scene.second_half(to));
        messages
    }
}
