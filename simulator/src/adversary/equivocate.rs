//! A primary that proposes one batch to one half, and another to the other half.

use bytes::Bytes;
use byzantine_consensus::{Message, ReplicaId, UnixMillis};

use super::rewriting::Rewriting;
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct Equivocate {
    rewriting: Rewriting,
}

impl Attack for Equivocate {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.second_half(to) {
            return batches;
        }
        self.rewriting.batches(&batches, |batch| {
            let mut other = batch.clone();
            other.time = other.time.map(|time| UnixMillis(time.0 + 1));
            (other != *batch).then_some(other)
        })
    }

    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        messages: Vec<Message>,
    ) -> Vec<Message> {
        if !scene.second_half(to) {
            return messages;
        }
        self.rewriting.messages(messages)
    }
}
