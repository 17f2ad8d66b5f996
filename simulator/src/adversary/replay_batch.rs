//! A primary that orders once more what was ordered before, beside what is new.

use std::collections::BTreeSet;

use bytes::Bytes;
use byzantine_consensus::{Message, ReplicaId};

use super::rewriting::{Rewriting, charged, with_requests};
use super::{Attack, Scene};

/// Requests in a batch at most.
const MOST: usize = 200;

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
            if batch.requests.is_empty() {
                return None;
            }
            let earlier = heard.batches.range(..batch.sequence);
            let earlier = earlier.flat_map(|(_, known)| known).flat_map(charged);
            let mut seen = BTreeSet::new();
            let all = charged(batch).chain(earlier);
            let once = all.filter(|(id, _)| seen.insert(*id)).take(MOST);
            let other = with_requests(batch, once);
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
