//! A network that lets through all but one kind of message: what a lost frame does once, for as
//! long as it takes to matter. Any network may lose any frame, so no promise depends on it.

use std::fmt;

use byzantine_consensus::{Frame, Message};

use crate::random::Random;
use crate::tally::MESSAGES;

/// Kinds of messages and replicas that they do not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sieve {
    /// Places in [`MESSAGES`].
    kinds: Vec<usize>,
    /// Members.
    to: Vec<usize>,
}

impl Sieve {
    /// One kind or two, and mostly one replica.
    pub fn draw(random: &mut Random, members: usize) -> Self {
        let kinds = if random.chance(500) { 1 } else { 2 };
        let reached = if random.chance(700) {
            1
        } else {
            random.place(members) + 1
        };
        Self {
            kinds: random.distinct(kinds, MESSAGES.len()),
            to: random.distinct(reached, members),
        }
    }

    /// Whether something in the frame does not get through. A frame is lost as a whole.
    pub fn holds(&self, to: usize, frame: &Frame) -> bool {
        if !self.to.contains(&to) {
            return false;
        }
        match frame {
            Frame::Envelope { envelope, .. } => {
                envelope.messages.iter().any(|message| self.names(message))
            }
            Frame::Relay(relayed) => relayed.iter().any(|signed| self.names(&signed.message)),
            _ => false,
        }
    }

    fn names(&self, bytes: &[u8]) -> bool {
        let Ok(message) = borsh::from_slice::<Message>(bytes) else {
            return false;
        };
        self.kinds
            .iter()
            .any(|kind| MESSAGES[*kind] == message.kind())
    }
}

impl fmt::Display for Sieve {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| MESSAGES[*kind]).collect();
        write!(formatter, "no {} to {:?}", kinds.join(", no "), self.to)
    }
}

#[cfg(test)]
mod tests {
    use byzantine_consensus::StatusReport;

    use super::*;

    #[test]
    fn only_the_kind_is_held_and_only_for_the_replica() {
        let status = Message::Status(StatusReport::default());
        let bytes = borsh::to_vec(&status).unwrap();
        let place = MESSAGES.iter().position(|kind| *kind == status.kind());
        let sieve = |kind: usize| Sieve {
            kinds: vec![kind],
            to: vec![2],
        };
        assert!(sieve(place.unwrap()).names(&bytes));
        assert!(!sieve(0).names(&bytes));
        assert!(!sieve(0).holds(2, &Frame::Relay(Vec::new())));
    }
}
