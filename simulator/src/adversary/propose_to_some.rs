//! A primary that proposes to one half alone.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

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
        messages
            .retain(|message| !matches!(message, Message::PrePrepare(_)) || !scene.second_half(to));
        messages
    }
}
