//! A gateway whose requests reach one member each: valid for some, unheard of by the rest.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct BigMac;

impl Attack for BigMac {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        let chosen = scene.random.place(scene.members);
        messages.retain(|message| {
            !matches!(message, Message::Requests { .. }) || usize::from(to.0) == chosen
        });
        messages
    }
}
