//! Votes that come after their certificate is complete: left out before their signatures are
//! checked, which is what ordering spends most of its time on.
//!
//! Safe, since leaving a message out is what the network may do; live, since the certificate that
//! the vote would go into is here already. A vote that says anything else than the certificate is
//! checked and handled: it may be evidence.

use byzantine_proof::ReplicaId;

use crate::message::{Message, Vote};
use crate::replica::Replica;
use crate::signed::{Envelope, SignedMessage, Verified};
use crate::slot::{Slot, Votes};

/// PREPAREs and COMMITs are shorter; what is longer is not decoded only to see that it is none.
const VOTE_BYTES: usize = 64;

impl Replica {
    /// Whether an envelope holds nothing but PREPAREs and COMMITs that certificates here have
    /// enough of.
    pub(crate) fn is_redundant(&self, from: ReplicaId, envelope: &Envelope) -> bool {
        let redundant = |message: &bytes::Bytes| match borsh::from_slice(message) {
            Ok(Message::Prepare(vote)) => self.is_prepared(from, &vote),
            Ok(Message::Commit(vote)) => self.is_committed(from, &vote),
            _ => false,
        };
        let short = |message: &bytes::Bytes| message.len() <= VOTE_BYTES;
        !envelope.messages.is_empty()
            && envelope.messages.iter().all(short)
            && envelope.messages.iter().all(redundant)
    }

    /// Whether a relayed vote is here already: repeated for one who lacks something else.
    pub(crate) fn is_here(&self, signed: &SignedMessage) -> bool {
        let Ok(message) = borsh::from_slice::<Message>(&signed.message) else {
            return false;
        };
        let slot = |sequence| self.slots.get(&sequence);
        let by = &signed.sender;
        match &message {
            // One that contradicts the proposal here is looked at again.
            Message::Prepare(vote) => slot(vote.sequence).is_some_and(|slot| {
                let proposed = slot.pre_prepare.as_ref();
                let agrees = proposed.is_none_or(|ours| ours.body().digest == vote.digest);
                agrees && is_same(slot.prepares.of(*by), vote)
            }),
            Message::Commit(vote) => {
                slot(vote.sequence).is_some_and(|slot| is_same(slot.commits.of(*by), vote))
            }
            Message::Result(vote) => {
                slot(vote.sequence).is_some_and(|slot| is_same(slot.results.get(by), vote))
            }
            Message::Promise(vote) => {
                slot(vote.sequence).is_some_and(|slot| is_same(slot.promises.get(by), vote))
            }
            Message::Attest(vote) => {
                slot(vote.sequence).is_some_and(|slot| is_same(slot.attestations.get(by), vote))
            }
            _ => false,
        }
    }

    fn is_prepared(&self, from: ReplicaId, vote: &Vote) -> bool {
        let prepared = |slot: &Slot| {
            let certified = slot.prepared.as_ref();
            certified.is_some_and(|(prepared, _)| prepared == vote)
                && says_nothing_else(&slot.prepares, from, vote)
        };
        self.slots.get(&vote.sequence).is_some_and(prepared)
    }

    fn is_committed(&self, from: ReplicaId, vote: &Vote) -> bool {
        let committed = |slot: &Slot| {
            let certified = slot.committed.as_ref();
            certified.is_some_and(|certificate| certificate.vote == *vote)
                && says_nothing_else(&slot.commits, from, vote)
        };
        self.slots.get(&vote.sequence).is_some_and(committed)
    }
}

fn is_same<T: PartialEq>(here: Option<&Verified<T>>, vote: &T) -> bool {
    here.is_some_and(|here| here.body() == vote)
}

/// Whether this vote contradicts none that its sender cast here before.
fn says_nothing_else(votes: &Votes, sender: ReplicaId, vote: &Vote) -> bool {
    votes.of(sender).is_none_or(|before| before.body() == vote)
}
