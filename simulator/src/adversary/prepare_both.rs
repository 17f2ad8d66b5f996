//! A primary that proposes one batch to one half and another to the other half, and then agrees
//! to both and commits both: its PRE-PREPARE must not count for more than one vote.

use bytes::Bytes;
use byzantine_consensus::{Message, ReplicaId, UnixMillis};

use super::rewriting::Rewriting;
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct PrepareBoth {
    rewriting: Rewriting,
}

impl Attack for PrepareBoth {
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
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        if scene.second_half(to) {
            messages = self.rewriting.messages(messages);
        }
        // It lets go of its view now and then, so that what is half done is looked at again.
        let silent = scene.random.chance(100);
        messages.retain(|message| !(silent && matches!(message, Message::PrePrepare(_))));
        let proposed = messages.iter().filter_map(|message| match message {
            Message::PrePrepare(vote) => Some(*vote),
            _ => None,
        });
        let proposed: Vec<_> = proposed.collect();
        for vote in proposed {
            messages.extend([Message::Prepare(vote), Message::Commit(vote)]);
        }
        messages
    }
}
