//! A primary that proposes times from long ago and from far ahead.

use bytes::Bytes;
use byzantine_consensus::{Message, ReplicaId, UnixMillis};

use super::rewriting::Rewriting;
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct WrongTime {
    rewriting: Rewriting,
}

impl Attack for WrongTime {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        let later = scene.random.chance(500);
        self.rewriting.batches(&batches, |batch| {
            let mut other = batch.clone();
            let shift = 48 * 3_600_000;
            other.time = other.time.map(|time| {
                UnixMillis(if later {
                    time.0 + shift
                } else {
                    time.0.saturating_sub(shift)
                })
            });
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
