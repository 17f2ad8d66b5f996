//! A replica whose prepared certificates mix votes of several views and sequences.

use std::collections::{BTreeMap, VecDeque};

use super::{Attack, Scene};
use byzantine_consensus::{Message, PreparedCertificate, ReplicaId, SignedMessage};

/// The attack.
#[derive(Debug, Default)]
pub(super) struct MixedCertificate;

impl Attack for MixedCertificate {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        for message in &mut messages {
            if let Message::ViewChange(vote) = message {
                let proposed = scene
                    .heard
                    .signed
                    .get("PRE-PREPARE")
                    .and_then(|all| all.back());
                let prepares = scene
                    .heard
                    .signed
                    .get("PREPARE")
                    .cloned()
                    .unwrap_or_default();
                if let Some(pre_prepare) = proposed {
                    vote.prepared = vec![PreparedCertificate {
                        pre_prepare: pre_prepare.clone(),
                        prepares: one_of_each(prepares),
                    }];
                }
            }
        }
        messages
    }
}

/// One vote of each sender, whatever it says.
fn one_of_each(votes: VecDeque<SignedMessage>) -> Vec<SignedMessage> {
    let by_sender: BTreeMap<ReplicaId, SignedMessage> =
        votes.into_iter().map(|vote| (vote.sender, vote)).collect();
    by_sender.into_values().collect()
}
