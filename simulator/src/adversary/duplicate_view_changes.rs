//! A primary whose NEW-VIEW counts one VIEW-CHANGE for many, or ancient ones.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct DuplicateViewChanges;

impl Attack for DuplicateViewChanges {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        let ancient = scene
            .heard
            .signed
            .get("VIEW-CHANGE")
            .cloned()
            .unwrap_or_default();
        let doubled = scene.random.chance(500);
        for message in &mut messages {
            if let Message::NewView(opening) = message {
                let count = opening.view_changes.len();
                if doubled {
                    opening.view_changes = vec![opening.view_changes[0].clone(); count];
                } else {
                    opening.view_changes = ancient.iter().take(count).cloned().collect();
                }
            }
        }
        messages
    }
}
