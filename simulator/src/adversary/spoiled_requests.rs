//! A gateway that brings requests which are nearly some, too many at once, and words for too many.

use bytes::Bytes;
use byzantine_consensus::limits::{FETCH_NAMES, GATEWAY_REQUESTS};
use byzantine_consensus::{Frame, ReplicaId, Request, RequestId, request_id};

use super::{Attack, Scene};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct SpoiledRequests;

impl Attack for SpoiledRequests {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let heard = scene.heard.requests.iter().filter(|it| !it.is_empty());
        let heard: Vec<&Bytes> = heard.collect();
        if scene.random.chance(900) || heard.is_empty() {
            return Vec::new();
        }
        let whole = heard[scene.random.place(heard.len())].clone();
        let frame = match scene.random.below(10) {
            0 => {
                let many = vec![whole; GATEWAY_REQUESTS + 1];
                scene.seal(&[scene.requests(many)])
            }
            1 => {
                let names: Vec<RequestId> = vec![request_id(&whole); FETCH_NAMES + 1];
                Frame::Relay(vec![scene.signed(&scene.admitted(names))])
            }
            _ => {
                let spoiled = (0..4).map(|_| spoiled(scene, &whole)).collect();
                scene.seal(&[scene.requests(spoiled)])
            }
        };
        scene.to_all(&frame)
    }
}

/// Cut off anywhere, with one byte that is another, or with more behind it. What is a request even
/// so is cut off: it would run, and no client asked for it.
fn spoiled(scene: &mut Scene<'_>, whole: &Bytes) -> Bytes {
    let mut bytes = whole.to_vec();
    // Long bodies say nothing: what is read is at both ends.
    let near = bytes.len().min(80);
    let place = scene.random.place(near);
    match scene.random.below(4) {
        0 => bytes.truncate(place),
        1 => bytes[place] = scene.random.number().to_be_bytes()[0],
        2 => {
            let last = bytes.len() - 1;
            bytes[last - place] ^= 0x80;
        }
        _ => bytes.push(0),
    }
    if Request::decode(&bytes).is_some() {
        bytes.pop();
    }
    Bytes::from(bytes)
}
