//! A primary of an earlier view that says later that nothing was ordered in it, and offers votes
//! of others as proof, whatever they are for.

use std::collections::BTreeMap;

use byzantine_consensus::{
    Batch, Message, PreparedCertificate, ReplicaId, Sequence, SignedMessage, View, Vote,
};

use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct Counterfeit;

impl Attack for Counterfeit {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        for message in &mut messages {
            let Message::ViewChange(vote) = message else {
                continue;
            };
            let stable = vote.stable.as_ref();
            let stable = stable.map_or(Sequence(0), |stable| stable.certificate.sequence);
            let Some(view) = led(scene, vote.view) else {
                continue;
            };
            let forged = (1..=scene.checkpoint_interval)
                .map(|distance| certificate(scene, view, stable + distance));
            vote.prepared = forged.collect();
        }
        messages
    }
}

/// The last view before `next` that this liar led.
fn led(scene: &Scene<'_>, next: View) -> Option<View> {
    let views = (0..next.0).rev().take(scene.members).map(View);
    let mut own = views.filter(|view| view.primary(scene.members) == scene.me);
    own.next()
}

fn certificate(scene: &Scene<'_>, view: View, sequence: Sequence) -> PreparedCertificate {
    let digest = Batch::null(sequence).digest();
    let vote = Vote {
        view,
        sequence,
        digest,
    };
    let heard = scene.heard.signed.get("PREPARE").into_iter().flatten();
    let others = heard.filter(|vote| vote.sender != scene.me);
    let one_each: BTreeMap<ReplicaId, SignedMessage> =
        others.map(|vote| (vote.sender, vote.clone())).collect();
    PreparedCertificate {
        pre_prepare: scene.signed(&Message::PrePrepare(vote)),
        prepares: one_each.into_values().collect(),
    }
}
