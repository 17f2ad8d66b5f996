//! A replica whose RELAYs hold anything: garbage that it signed, what others never said, too much,
//! and what the receiver itself said once.

use bytes::Bytes;
use byzantine_consensus::{
    Digest, Frame, Message, ReplicaId, SignedMessage, Subject, Suspicion, message_digest,
};

use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct GarbageRelay;

/// More than a RELAY may hold, and more than an envelope may.
const MANY: usize = 80;

impl Attack for GarbageRelay {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if scene.random.chance(900) {
            return Vec::new();
        }
        let others = scene.others();
        let to = others[scene.random.place(others.len())];
        if scene.random.chance(200) {
            return vec![(to, unsigned(scene))];
        }
        vec![(to, Frame::Relay(garbage(scene, to)))]
    }
}

/// An envelope of its own under a signature that is for something else.
fn unsigned(scene: &Scene<'_>) -> Frame {
    let mut frame = scene.seal(&[scene.requests(Vec::new())]);
    if let Frame::Envelope { envelope, .. } = &mut frame {
        envelope.signature = scene.authority.sign(&Digest::of(b"something else"));
    }
    frame
}

fn garbage(scene: &mut Scene<'_>, to: ReplicaId) -> Vec<SignedMessage> {
    let suspicion = Message::Suspect(Suspicion {
        view: scene.view,
        subject: Subject::NewView,
    });
    let own = scene.signed(&suspicion);
    match scene.random.below(7) {
        0 => vec![scene.signed_raw(Bytes::from_static(b"no message at all"))],
        // Another's name, another's word.
        1 => vec![SignedMessage { sender: to, ..own }],
        2 => vec![SignedMessage {
            message: scene.requests(Vec::new()).encode(),
            ..own
        }],
        // A member that there is not.
        3 => vec![SignedMessage {
            sender: ReplicaId(u8::MAX),
            ..own
        }],
        4 => vec![own; MANY],
        5 => vec![SignedMessage {
            digests: vec![message_digest(&own.message); MANY],
            ..own
        }],
        _ => what_it_said(scene, to),
    }
}

/// Everything that was heard of the receiver, whatever its kind.
fn what_it_said(scene: &Scene<'_>, of: ReplicaId) -> Vec<SignedMessage> {
    let heard = scene.heard.signed.values().flatten();
    let own = heard.filter(|signed| signed.sender == of);
    own.take(MANY).cloned().collect()
}
