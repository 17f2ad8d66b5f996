//! A primary that orders a RESOLVE of the same sequence again and again, each time resting on the
//! PROMISEs of others.

use std::collections::BTreeMap;

use bytes::Bytes;
use byzantine_consensus::{
    Evidence, Message, Promise, ReplicaId, Resolution, Sequence, SignedMessage,
};

use super::rewriting::Rewriting;
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ResolveTwice {
    rewriting: Rewriting,
    /// What this batch is to hold: the same for all, or nobody would agree.
    chosen: BTreeMap<Sequence, Vec<Resolution>>,
}

impl Attack for ResolveTwice {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        let chosen = &mut self.chosen;
        self.rewriting.batches(&batches, |batch| {
            let place = batch.sequence;
            let resolutions = chosen.entry(place).or_insert_with(|| resolve(scene, place));
            let mut other = batch.clone();
            other.resolutions.clone_from(resolutions);
            (!other.resolutions.is_empty() && other != *batch).then_some(other)
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

/// A RESOLVE of the newest sequence that enough of them promised, by some of them.
fn resolve(scene: &mut Scene<'_>, before: Sequence) -> Vec<Resolution> {
    let mut promised: BTreeMap<Sequence, Vec<(SignedMessage, Promise)>> = BTreeMap::new();
    for signed in scene.heard.signed.get("PROMISE").into_iter().flatten() {
        if let Ok(Message::Promise(promise)) = borsh::from_slice(&signed.message) {
            let known = promised.entry(promise.sequence).or_default();
            if !known.iter().any(|(other, _)| other.sender == signed.sender) {
                known.push((signed.clone(), promise));
            }
        }
    }
    let needed = scene.members - scene.faulty;
    let open = promised.into_iter().rev();
    let mut open = open.filter(|(place, known)| *place < before && known.len() >= needed);
    let Some((sequence, mut known)) = open.next() else {
        return Vec::new();
    };
    while known.len() > needed {
        known.remove(scene.random.place(known.len()));
    }
    let leaves = known.first().map_or(0, |(_, promise)| promise.leaves.len());
    vec![Resolution {
        sequence,
        leaves: u32::try_from(leaves).unwrap_or(0),
        evidence: Evidence::Promises(known.into_iter().map(|(signed, _)| signed).collect()),
    }]
}
