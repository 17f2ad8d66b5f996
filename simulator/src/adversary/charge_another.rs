//! A primary that charges a gateway for the key of a request which that one did not let in.

use bytes::Bytes;
use byzantine_consensus::{Admission, Message, ReplicaId};

use super::rewriting::{Rewriting, charged, with_requests};
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ChargeAnother {
    rewriting: Rewriting,
}

impl Attack for ChargeAnother {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        let others = scene.others();
        self.rewriting.batches(&batches, |batch| {
            let moved = charged(batch).map(|(id, it)| {
                let victim = others.iter().find(|other| **other != it.gateway);
                let gateway = victim.copied().unwrap_or(it.gateway);
                (id, Admission { gateway, ..it })
            });
            let other = with_requests(batch, moved);
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
