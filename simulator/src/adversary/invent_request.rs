//! A primary that names a request which nobody ever sent.

use bytes::Bytes;
use byzantine_consensus::{Message, ReplicaId, RequestId};

use super::rewriting::Rewriting;
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct InventRequest {
    rewriting: Rewriting,
}

impl Attack for InventRequest {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me || !scene.now.is_multiple_of(3) {
            return batches;
        }
        self.rewriting.batches(&batches, |batch| {
            let mut other = batch.clone();
            if !other.requests.is_empty() {
                other.requests.push(RequestId(batch.digest()));
                other.admissions.push(scene.admission());
            }
            (other != *batch).then_some(other)
        })
    }

    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        messages: Vec<Message>,
    ) -> Vec<Message> {
        if !scene.is_primary() || to == scene.me || !scene.now.is_multiple_of(3) {
            return messages;
        }
        self.rewriting.messages(messages)
    }
}
