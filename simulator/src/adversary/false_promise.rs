//! A replica that promises for every sequence, whatever it attested, and something else to
//! each half.

use super::{Attack, Scene};
use byzantine_consensus::{Frame, Message, Promise, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct FalsePromise;

impl Attack for FalsePromise {
    fn inject(&mut self, scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        let Some(results) = scene.heard.signed.get("RESULT") else {
            return Vec::new();
        };
        let mut said = Vec::new();
        for signed in results.iter().rev().take(3) {
            if let Ok(Message::Result(vote)) = borsh::from_slice(&signed.message) {
                let leaves = vote.leaves.iter().map(|_| None).collect();
                said.push(Message::Promise(Promise {
                    sequence: vote.sequence,
                    leaves,
                    answers: Vec::new(),
                }));
            }
        }
        if said.is_empty() {
            return Vec::new();
        }
        let frame = scene.seal(&said);
        scene.to_all(&frame)
    }
}
