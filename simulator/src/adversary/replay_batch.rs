//! A primary that orders once more what was ordered before, beside what is new.

use bytes::Bytes;
use byzantine_consensus::{Message, ReplicaId};

use super::rewriting::Rewriting;
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ReplayBatch {
    rewriting: Rewriting,
}

impl Attack for ReplayBatch {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        let heard = scene.heard;
        self.rewriting.batches(&batches, |batch| {
            let mut other = batch.clone();
            let earlier = heard.batches.range(..batch.sequence);
            for id in earlier
                .flat_map(|(_, known)| known)
                .flat_map(|known| &known.requests)
            {
                if !other.requests.contains(id) && !other.requests.is_empty() {
                    other.requests.push(*id);
                }
            }
            other.requests.truncate(200);
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
