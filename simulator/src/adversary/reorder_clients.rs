//! A primary that turns the order within each batch around.

use bytes::Bytes;
use byzantine_consensus::{Message, ReplicaId};

use super::rewriting::{Rewriting, charged, with_requests};
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ReorderClients {
    rewriting: Rewriting,
}

impl Attack for ReorderClients {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        self.rewriting.batches(&batches, |batch| {
            let other = with_requests(batch, charged(batch).rev());
            (other != *batch).then_some(other)
        })
    }

    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        messages: Vec<Message>,
    ) -> Vec<Message> {
        if !scene.is_primary() || to == scene.me {
            return messages;
        }
        self.rewriting.messages(messages)
    }
}
