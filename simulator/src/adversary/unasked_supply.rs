//! A replica that supplies what nobody asked for, and asks for what there is not, or for too much.

use bytes::Bytes;
use byzantine_consensus::limits::FETCH_NAMES;
use byzantine_consensus::{
    Answer, Batch, Digest, Fetch, Frame, KeySource, ReplicaId, Request, RequestId, Sequence, Supply,
};

use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct UnaskedSupply;

impl Attack for UnaskedSupply {
    fn direct(&mut self, scene: &mut Scene<'_>, _: ReplicaId, frame: Frame) -> Option<Frame> {
        match frame {
            // Not what was asked for, half of the time.
            Frame::Supply(_) if scene.random.chance(500) => Some(Frame::Supply(supply(scene))),
            frame => Some(frame),
        }
    }

    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        if scene.random.chance(900) {
            return Vec::new();
        }
        let frame = if scene.random.chance(500) {
            Frame::Fetch(fetch(scene))
        } else {
            Frame::Supply(supply(scene))
        };
        scene.to_all(&frame)
    }
}

fn fetch(scene: &mut Scene<'_>) -> Fetch {
    let unknown = Digest::of(&scene.random.number().to_be_bytes());
    match scene.random.below(5) {
        0 => Fetch::Batches(vec![unknown; 2 * FETCH_NAMES]),
        1 => Fetch::Requests(vec![RequestId(unknown); 2 * FETCH_NAMES]),
        2 => Fetch::Entries(Sequence(u64::MAX)),
        3 => Fetch::Entries(Sequence(0)),
        _ => Fetch::Outcome {
            sequence: nearby(scene),
            index: u32::try_from(scene.random.below(3)).unwrap_or(0),
        },
    }
}

fn supply(scene: &mut Scene<'_>) -> Supply {
    let sequence = nearby(scene);
    let garbage = Bytes::copy_from_slice(&scene.random.number().to_be_bytes());
    match scene.random.below(6) {
        0 => Supply::Batches(vec![garbage, Batch::null(sequence).encode()]),
        1 => Supply::Batches(vec![garbage; 2 * FETCH_NAMES]),
        2 => Supply::Requests(vec![garbage, nobodys(scene)]),
        3 => Supply::Requests(vec![garbage; 2 * FETCH_NAMES]),
        4 => Supply::Entries(Vec::new()),
        _ => Supply::Outcome {
            sequence,
            index: u32::try_from(scene.random.below(3)).unwrap_or(0),
            answer: Answer {
                leaf: garbage.clone(),
                request_fields: Vec::new(),
                fields: garbage.clone(),
                content: garbage,
            },
        },
    }
}

/// A request that no client sent and no gateway vouches for.
fn nobodys(scene: &mut Scene<'_>) -> Bytes {
    let request = Request {
        method: "GET".to_owned(),
        target: "/balance/0".to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        key: format!("nobodys-{}", scene.random.number()),
        key_source: KeySource::Client,
    };
    request.encode()
}

/// A sequence about where the others are.
fn nearby(scene: &mut Scene<'_>) -> Sequence {
    let first = scene.certified.0.saturating_sub(2);
    Sequence(first + scene.random.below(6))
}
