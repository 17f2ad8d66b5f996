//! A gateway that sends every request it ever heard of, again and again, and more of its own. A
//! storm ends: a run is to take no minute.

use super::{Attack, Scene};
use bytes::Bytes;
use byzantine_consensus::{Frame, KeySource, ReplicaId, Request};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct RetransmitStorm {
    made: u32,
    /// How many bytes were sent, and how many bundles.
    sent: (usize, u32),
}

/// How many bytes a storm has, and how many bundles.
const STORM: (usize, u32) = (4 << 20, 500);

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
        let spent = self.sent.0 > STORM.0 || self.sent.1 > STORM.1;
        if requests.is_empty() || spent {
            return Vec::new();
        }
        self.sent.0 += requests.iter().map(Bytes::len).sum::<usize>();
        self.sent.1 += 1;
        let frame = scene.seal(&[scene.requests(requests)]);
        scene.to_all(&frame)
    }
}
