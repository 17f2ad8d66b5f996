//! A primary that names in its batches what ran a few sequences before, so that nobody lacks a
//! body yet when it is prepared; and brings the bodies of what ran before that.

use bytes::Bytes;
use byzantine_consensus::{Batch, Frame, Message, ReplicaId, Sequence, Supply};

use super::rewriting::{Rewriting, charged, with_requests};
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct RepeatRecent {
    rewriting: Rewriting,
}

/// How far back it looks.
const RECENT: u64 = 8;

impl Attack for RepeatRecent {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        let heard = scene.heard;
        let here: Vec<Batch> = batches.iter().filter_map(|it| Batch::decode(it)).collect();
        self.rewriting.batches(&batches, |batch| {
            if batch.requests.is_empty() {
                return None;
            }
            let first = Sequence(batch.sequence.0.saturating_sub(RECENT));
            let heard = heard.batches.range(first..batch.sequence);
            let earlier = heard.flat_map(|(_, known)| known).chain(&here);
            let earlier = earlier.filter(|other| other.sequence < batch.sequence);
            let mut again = earlier.flat_map(charged);
            let again = again.find(|(id, _)| !batch.requests.contains(id))?;
            Some(with_requests(batch, charged(batch).chain([again])))
        })
    }

    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if !scene.is_primary() || scene.random.chance(900) {
            return Vec::new();
        }
        let bodies = scene.heard.requests.iter().cloned().collect();
        scene.to_all(&Frame::Supply(Supply::Requests(bodies)))
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
