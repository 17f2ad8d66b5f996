//! A gateway that uses clients' keys for requests of its own.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, ReplicaId, Request};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct KeyTwice {
    sent: u32,
}

/// How many it brings: a gateway that never falls silent lets no pool ever be empty.
const MOST: u32 = 150;

impl Attack for KeyTwice {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if self.sent >= MOST {
            return Vec::new();
        }
        self.sent += 1;
        let heard = &scene.heard.requests;
        let Some(bytes) = heard.get(scene.random.place(heard.len())) else {
            return Vec::new();
        };
        let Some(mut request) = Request::decode(bytes) else {
            return Vec::new();
        };
        // Keys that it makes up: those of clients would only make their requests fail.
        "/balance/0".clone_into(&mut request.target);
        "GET".clone_into(&mut request.method);
        request.key = format!("made-{}", scene.random.below(3));
        let first = request.encode();
        "/balance/1".clone_into(&mut request.target);
        let frames = [
            scene.seal(&[scene.requests(vec![first])]),
            scene.seal(&[scene.requests(vec![request.encode()])]),
        ];
        let others = scene.others();
        let half = |to: &ReplicaId| usize::from(scene.second_half(*to));
        others
            .iter()
            .map(|to| (*to, frames[half(to)].clone()))
            .collect()
    }
}
