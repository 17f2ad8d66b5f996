//! A gateway that sends every request it ever heard of, again and again, and more of its own.

use super::{Attack, Scene};
use bytes::Bytes;
use byzantine_consensus::{Frame, KeySource, Message, ReplicaId, Request};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct RetransmitStorm {
    made: u32,
}

impl Attack for RetransmitStorm {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let mut requests: Vec<Bytes> = scene.heard.requests.iter().take(32).cloned().collect();
        for _ in 0..4 {
            let number = scene.random.number();
            let request = Request {
                method: "GET".to_owned(),
                target: "/balance/0".to_owned(),
                headers: Vec::new(),
                body: Bytes::new(),
                key: format!("storm-{number}"),
                key_source: KeySource::Gateway,
            };
            if self.made < 60 && scene.random.chance(30) {
                self.made += 1;
                requests.push(request.encode());
            }
        }
        if requests.is_empty() {
            return Vec::new();
        }
        let frame = scene.seal(&[Message::Requests(requests)]);
        scene.to_all(&frame)
    }
}
