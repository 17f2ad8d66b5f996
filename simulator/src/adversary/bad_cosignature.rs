//! A replica whose cosignatures do not verify, in messages that do.

use super::{Attack, Scene};
use byzantine_consensus::{Message, ReplicaId};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct BadCosignature;

impl Attack for BadCosignature {
    fn messages(
        &mut self,
        _: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        for message in &mut messages {
            if let Message::Attest(attestation) = message {
                attestation.cosignature.time_seconds += 1;
            }
        }
        messages
    }
}
