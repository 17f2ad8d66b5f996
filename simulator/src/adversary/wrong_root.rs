//! A replica that cosigns roots of trees that do not exist.

use super::{Attack, Scene};
use byzantine_consensus::{Digest, Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct WrongRoot;

impl Attack for WrongRoot {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        to: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        for message in &mut messages {
            if let Message::Attest(attestation) = message
                && scene.second_half(to)
            {
                attestation.root = Digest::of(&attestation.size.to_be_bytes());
                let (size, root) = (attestation.size, attestation.root);
                let time = attestation.cosignature.time_seconds;
                attestation.cosignature = scene.authority.cosign(size, &root, time);
            }
        }
        messages
    }
}
