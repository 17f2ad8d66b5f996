//! A primary that leaves out what it does not like: every fourth request.

use bytes::Bytes;
use byzantine_consensus::{Message, ReplicaId};

use super::rewriting::{Rewriting, charged, with_requests};
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct Censor {
    rewriting: Rewriting,
}

impl Attack for Censor {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        self.rewriting.batches(&batches, |batch| {
            let liked = charged(batch).filter(|(id, _)| id.0.as_bytes()[0] % 4 != 0);
            let mut other = with_requests(batch, liked);
            if other.requests.is_empty() && other.resolutions.is_empty() {
                other.time = None;
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
        if !scene.is_primary() || to == scene.me {
            return messages;
        }
        self.rewriting.messages(messages)
    }
}
