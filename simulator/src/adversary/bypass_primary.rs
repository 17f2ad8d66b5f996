//! A gateway that tells everyone of its requests, but the primary, which is to be late with them.

use bytes::Bytes;
use byzantine_consensus::{Frame, KeySource, ReplicaId, Request};

use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct BypassPrimary {
    sent: u32,
    due: u64,
}

/// How many requests it makes up, and how long it waits between them, in microseconds.
const MOST: u32 = 200;
const REST: u64 = 100_000;

impl Attack for BypassPrimary {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if self.sent >= MOST || scene.now < self.due || scene.is_primary() {
            return Vec::new();
        }
        self.sent += 1;
        self.due = scene.now + REST;
        let request = Request {
            method: "GET".to_owned(),
            target: "/balance/0".to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            key: format!("bypass-{}-{}", scene.me, self.sent),
            key_source: KeySource::Gateway,
        };
        let frame = scene.seal(&[scene.requests(vec![request.encode()])]);
        let primary = scene.view.primary(scene.members);
        let mut told = scene.to_all(&frame);
        told.retain(|(to, _)| *to != primary);
        told
    }
}
