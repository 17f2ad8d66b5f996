//! No correct replica ever signs two votes for one phase, view and sequence, two RESULTs for one
//! sequence, or two VIEW-CHANGEs for one view; not even across restarts.

use std::collections::BTreeMap;

use byzantine_consensus::{Digest, Message, ReplicaId};

use super::{Checks, Violation};

/// What one replica has signed: the place of each vote, and what it said.
pub(super) type Votes = BTreeMap<(&'static str, u64, u64), Digest>;

impl Checks {
    /// A replica signed these messages.
    ///
    /// # Errors
    /// The promise that this breaks.
    pub fn signed(&mut self, by: ReplicaId, messages: &[Message]) -> Result<(), Violation> {
        if !self.is_correct(by) {
            return Ok(());
        }
        let votes = self.votes.entry(by).or_default();
        for message in messages {
            let Some((place, said)) = place(message) else {
                continue;
            };
            let before = *votes.entry(place).or_insert(said);
            if before != said {
                let (kind, view, sequence) = place;
                let detail = format!(
                    "replica {by} signed two different {kind}s for view {view}, sequence {sequence}"
                );
                return Err(Violation::new("one-vote", detail));
            }
        }
        Ok(())
    }
}

fn place(message: &Message) -> Option<((&'static str, u64, u64), Digest)> {
    let kind = message.kind();
    Some(match message {
        Message::PrePrepare(vote) | Message::Prepare(vote) | Message::Commit(vote) => {
            ((kind, vote.view.0, vote.sequence.0), vote.digest)
        }
        Message::Result(vote) => ((kind, 0, vote.sequence.0), Digest::of(&message.encode())),
        Message::ViewChange(vote) => ((kind, vote.view.0, 0), Digest::of(&message.encode())),
        Message::NewView(vote) => ((kind, vote.view.0, 0), Digest::of(&message.encode())),
        _ => return None,
    })
}
