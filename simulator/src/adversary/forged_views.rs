//! A replica whose VIEW-CHANGEs, NEW-VIEWs and PROMISEs are wrong in one place each.

use std::collections::BTreeMap;

use byzantine_consensus::{
    CheckpointCertificate, Message, NewView, PreparedCertificate, Promise, ReplicaId,
    SignedMessage, ViewChange,
};

use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct ForgedViews {
    /// What was said of each view, so that all are told the same.
    said: BTreeMap<(&'static str, u64), Message>,
}

impl Attack for ForgedViews {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        messages: Vec<Message>,
    ) -> Vec<Message> {
        let forge = |message: Message| {
            let place = match &message {
                Message::ViewChange(vote) => (message.kind(), vote.view.0),
                Message::NewView(vote) => (message.kind(), vote.view.0),
                Message::Promise(vote) => (message.kind(), vote.sequence.0),
                _ => return message,
            };
            let said = self.said.entry(place);
            said.or_insert_with(|| forged(scene, message)).clone()
        };
        messages.into_iter().map(forge).collect()
    }
}

fn forged(scene: &mut Scene<'_>, mut message: Message) -> Message {
    if scene.random.chance(200) {
        return message;
    }
    match &mut message {
        Message::ViewChange(vote) => forge_view_change(scene, vote),
        Message::NewView(vote) => forge_new_view(scene, vote),
        Message::Promise(vote) => forge_promise(scene, vote),
        _ => {}
    }
    message
}

fn forge_view_change(scene: &mut Scene<'_>, vote: &mut ViewChange) {
    match scene.random.below(6) {
        0 => misattribute(scene, &mut vote.suspicions),
        1 => vote.suspicions.truncate(1),
        2 => {
            let many = usize::try_from(2 * scene.checkpoint_interval).unwrap_or(0) + 1;
            let first = vote.prepared.first().cloned();
            vote.prepared = first.into_iter().cycle().take(many).collect();
        }
        3 | 4 => {
            if let Some(certificate) = vote.prepared.first_mut() {
                forge_prepared(scene, certificate);
            }
        }
        _ => {
            if let Some(certificate) = &mut vote.stable {
                forge_checkpoint(scene, certificate);
            }
        }
    }
}

fn forge_prepared(scene: &mut Scene<'_>, certificate: &mut PreparedCertificate) {
    let decoded = borsh::from_slice(&certificate.pre_prepare.message);
    match (scene.random.below(5), decoded) {
        (0, _) => certificate.pre_prepare.sender = scene.me,
        (1, _) => certificate.pre_prepare = certificate.prepares[0].clone(),
        // By one who did not lead that view.
        (2, Ok(message)) => certificate.pre_prepare = scene.signed(&message),
        // The primary's agreement to itself.
        (3, Ok(Message::PrePrepare(vote))) => {
            certificate.prepares[0] = scene.signed(&Message::Prepare(vote));
        }
        _ => misattribute(scene, &mut certificate.prepares),
    }
}

fn forge_checkpoint(scene: &mut Scene<'_>, certificate: &mut CheckpointCertificate) {
    let cosigned = &mut certificate.certificate;
    match scene.random.below(6) {
        0 | 1 => certificate.batch_leaf.truncate(9),
        2 => certificate.path.clear(),
        3 => cosigned.sequence = cosigned.sequence.next(),
        4 => cosigned.size += 1,
        _ => cosigned.cosignatures.truncate(1),
    }
}

fn forge_new_view(scene: &mut Scene<'_>, vote: &mut NewView) {
    match scene.random.below(4) {
        0 => misattribute(scene, &mut vote.view_changes),
        1 => vote.view = vote.view.next(),
        2 => vote.view_changes.truncate(1),
        _ => {
            let suspicions = scene.heard.signed.get("SUSPECT").into_iter().flatten();
            for (place, other) in vote.view_changes.iter_mut().zip(suspicions) {
                *place = other.clone();
            }
        }
    }
}

fn forge_promise(scene: &mut Scene<'_>, vote: &mut Promise) {
    match scene.random.below(4) {
        0 => vote.leaves.resize(300, None),
        1 => vote.leaves.clear(),
        2 => vote.answers.extend(vote.answers.first().cloned()),
        _ => {
            for answer in &mut vote.answers {
                answer.fields = answer.leaf.clone();
            }
        }
    }
}

/// The first in the name of the last, or of one who is not among them.
fn misattribute(scene: &mut Scene<'_>, signed: &mut [SignedMessage]) {
    let last = signed.last().map(|last| last.sender);
    let said = |id: &ReplicaId| signed.iter().any(|signed| signed.sender == *id);
    let silent = scene.others().into_iter().find(|id| !said(id));
    let name = if scene.random.chance(500) {
        silent
    } else {
        last
    };
    if let (Some(first), Some(name)) = (signed.first_mut(), name) {
        first.sender = if first.sender == name {
            ReplicaId(u8::MAX)
        } else {
            name
        };
    }
}
