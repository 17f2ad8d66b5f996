//! A gateway that has far more requests abroad than it may.

use super::{Attack, Scene};
use bytes::Bytes;
use byzantine_consensus::{Frame, KeySource, ReplicaId, Request};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct FloodRequests {
    sent: u32,
    /// How many it sends in all, drawn at its first.
    most: Option<u32>,
}

/// How many requests a flood has. Some go far beyond what anybody keeps for one gateway; all others
/// are cheap, or a few floods would take as long as all other runs together.
const FLOODS: [u32; 5] = [500, 500, 500, 500, 2400];

impl Attack for FloodRequests {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let drawn = || scene.random.pick(&FLOODS);
        let most = *self.most.get_or_insert_with(drawn);
        if self.sent >= most || scene.random.chance(600) {
            return Vec::new();
        }
        let mut requests = Vec::new();
        for _ in 0..200 {
            self.sent += 1;
            let request = Request {
                method: "GET".to_owned(),
                target: "/balance/0".to_owned(),
                headers: Vec::new(),
                body: Bytes::new(),
                key: format!("flood-{}-{}", scene.me, self.sent),
                key_source: KeySource::Gateway,
            };
            requests.push(request.encode());
        }
        // To one member alone, so that no primary ever orders them all at once; and mostly to the
        // same, which is asked for more than a gateway may have abroad.
        let favourite = scene.random.chance(800);
        let place = if favourite {
            0
        } else {
            scene.random.place(scene.members - 1)
        };
        let to = scene.others()[place];
        vec![(to, scene.seal(&[scene.requests(requests)]))]
    }
}
