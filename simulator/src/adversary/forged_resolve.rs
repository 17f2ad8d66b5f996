//! A primary that orders a RESOLVE which nothing justifies.

use bytes::Bytes;
use byzantine_consensus::{
    Digest, Evidence, Message, ReplicaId, Resolution, ResultVote, SignedMessage,
};

use super::rewriting::Rewriting;
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ForgedResolve {
    rewriting: Rewriting,
}

impl Attack for ForgedResolve {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me || scene.certified.0 == 0 {
            return batches;
        }
        let sequence = scene.certified.next();
        // Its own word alone, about what nobody answered.
        let forged = Message::Result(ResultVote {
            sequence,
            leaves: vec![Some(Digest::of(b"forged"))],
        });
        let results: Vec<SignedMessage> = vec![scene.signed(&forged)];
        self.rewriting.batches(&batches, |batch| {
            let mut other = batch.clone();
            if sequence < batch.sequence {
                other.resolutions = vec![Resolution {
                    sequence,
                    leaves: 1,
                    evidence: Evidence::Results(results.clone()),
                }];
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
        if !scene.is_primary() || to == scene.me || scene.certified.0 == 0 {
            return messages;
        }
        self.rewriting.messages(messages)
    }
}
