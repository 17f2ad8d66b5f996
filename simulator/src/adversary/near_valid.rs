//! `ByzzFuzz` (OOPSLA'23): messages that are wrong by one: a view, a sequence, a digest.

use byzantine_consensus::{Batch, Message, ReplicaId};

use super::{Attack, Scene};
use crate::random::Random;

/// The attack.
#[derive(Debug, Default)]
pub(super) struct NearValid;

impl Attack for NearValid {
    fn messages(
        &mut self,
        scene: &mut Scene<'_>,
        _: ReplicaId,
        mut messages: Vec<Message>,
    ) -> Vec<Message> {
        for message in &mut messages {
            if scene.random.chance(150) {
                mutate(message, scene.random);
            }
        }
        messages
    }
}

/// One small change.
fn mutate(message: &mut Message, random: &mut Random) {
    let up = random.chance(500);
    let shift = |number: &mut u64| {
        *number = if up {
            number.saturating_add(1)
        } else {
            number.saturating_sub(1)
        };
    };
    match message {
        Message::PrePrepare(vote) | Message::Prepare(vote) | Message::Commit(vote) => {
            match random.below(3) {
                0 => shift(&mut vote.view.0),
                1 => shift(&mut vote.sequence.0),
                _ => vote.digest = Batch::null(vote.sequence).digest(),
            }
        }
        Message::Result(vote) => match random.below(3) {
            0 => shift(&mut vote.sequence.0),
            1 => vote.leaves.push(None),
            _ => {
                vote.leaves.pop();
            }
        },
        Message::Attest(vote) => match random.below(2) {
            0 => shift(&mut vote.size),
            _ => shift(&mut vote.sequence.0),
        },
        Message::Suspect(vote) => shift(&mut vote.view.0),
        Message::ViewChange(vote) => {
            shift(&mut vote.view.0);
            vote.prepared.pop();
        }
        Message::NewView(vote) => {
            vote.view_changes.pop();
        }
        Message::Promise(vote) => shift(&mut vote.sequence.0),
        Message::Status(report) => shift(&mut report.certified.0),
        Message::Requests { as_of, .. } | Message::Admitted { as_of, .. } => shift(&mut as_of.0),
    }
}
