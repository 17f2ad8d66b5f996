//! A primary whose NEW-VIEW counts one VIEW-CHANGE for many, or ancient ones.

use std::collections::BTreeMap;

use byzantine_consensus::{Message, ReplicaId, SignedMessage};

use super::{Attack, Scene};

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
        let heard = scene.heard.signed.get("VIEW-CHANGE").into_iter().flatten();
        // The oldest of each: what was ordered since is not in it.
        let oldest = heard.rev().map(|vote| (vote.sender, vote.clone()));
        let ancient: BTreeMap<ReplicaId, SignedMessage> = oldest.collect();
        let doubled = scene.random.chance(200);
        for message in &mut messages {
            if let Message::NewView(opening) = message {
                let count = opening.view_changes.len();
                if doubled {
                    opening.view_changes = vec![opening.view_changes[0].clone(); count];
                } else {
                    opening.view_changes = ancient.values().take(count).cloned().collect();
                }
            }
        }
        messages
    }
}
