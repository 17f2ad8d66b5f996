//! A primary that orders RESOLVEs of the sequence before, justified in every way that is none.

use std::collections::BTreeMap;

use bytes::Bytes;
use byzantine_consensus::{
    Digest, Evidence, Message, Promise, ReplicaId, Resolution, ResultVote, Sequence, SignedMessage,
    View,
};

use super::rewriting::Rewriting;
use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct UnjustifiedResolve {
    rewriting: Rewriting,
    /// What each batch of a view is to hold: the same for all, so that all judge it.
    chosen: BTreeMap<(View, Sequence), Option<Resolution>>,
}

/// One batch of three is left as it is, or nothing would be executed in such a view.
const ALTERED: u32 = 300;

impl Attack for UnjustifiedResolve {
    fn batches(&mut self, scene: &mut Scene<'_>, to: ReplicaId, batches: Vec<Bytes>) -> Vec<Bytes> {
        if !scene.is_primary() || to == scene.me {
            return batches;
        }
        let chosen = &mut self.chosen;
        self.rewriting.batches(&batches, |batch| {
            let place = (scene.view, batch.sequence);
            let resolution = chosen.entry(place).or_insert_with(|| {
                let before = Sequence(batch.sequence.0.checked_sub(1).filter(|it| *it > 0)?);
                let alters = scene.random.chance(ALTERED);
                alters.then(|| unjustified(scene, before))
            });
            let mut other = batch.clone();
            other.resolutions = vec![resolution.clone()?];
            Some(other)
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

fn unjustified(scene: &mut Scene<'_>, sequence: Sequence) -> Resolution {
    let leaves = vec![Some(Digest::of(b"forged"))];
    let result = Message::Result(ResultVote {
        sequence,
        leaves: leaves.clone(),
    });
    let promise = Message::Promise(Promise {
        sequence,
        leaves,
        answers: Vec::new(),
    });
    let (result, promise) = (scene.signed(&result), scene.signed(&promise));
    let evidence = match scene.random.below(8) {
        // Fewer than it takes.
        0 => Evidence::Results(vec![result]),
        1 => Evidence::Promises(vec![promise]),
        2 => Evidence::Results(Vec::new()),
        // One for many.
        3 => Evidence::Results(vec![result; scene.members]),
        4 => Evidence::Promises(vec![promise; scene.members - scene.faulty]),
        // Of another kind, or about another sequence.
        5 => Evidence::Promises(heard(scene, "RESULT")),
        6 => Evidence::Results(heard(scene, "RESULT")),
        // In another's name.
        _ => Evidence::Promises(in_all_names(scene, &promise)),
    };
    Resolution {
        sequence,
        leaves: 1,
        evidence,
    }
}

/// What others said of that kind, of each the newest.
fn heard(scene: &Scene<'_>, kind: &'static str) -> Vec<SignedMessage> {
    let heard = scene.heard.signed.get(kind).into_iter().flatten();
    let one_each: BTreeMap<ReplicaId, SignedMessage> = heard
        .map(|signed| (signed.sender, signed.clone()))
        .collect();
    let needed = scene.members - scene.faulty;
    one_each.into_values().take(needed).collect()
}

fn in_all_names(scene: &Scene<'_>, signed: &SignedMessage) -> Vec<SignedMessage> {
    let members = (0..scene.members - scene.faulty).filter_map(|id| u8::try_from(id).ok());
    let misnamed = members.map(|id| SignedMessage {
        sender: ReplicaId(id),
        ..signed.clone()
    });
    misnamed.collect()
}
