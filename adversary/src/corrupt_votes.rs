//! A replica whose votes reach some peers damaged, and who damages what it relays of others: the
//! peers must blame whoever sent the damage, not whoever signed what was damaged.

use bytes::Bytes;
use byzantine_consensus::{Envelope, Frame, Message, SignedMessage};
use byzantine_proof::Signature;
use byzantine_sidecar::Interposer;
use byzantine_sidecar::interposer::{Outbound, Parcel, envelope_frame};

use crate::Seed;
use crate::rewrite::{Addressed, for_each_peer, number};

/// Flips a bit of signatures for one third of the peers and of digests for another.
pub(crate) struct CorruptVotes {
    seed: Seed,
}

/// What a peer gets.
enum Damage {
    None,
    Signature,
    Digest,
}

impl CorruptVotes {
    pub(crate) const fn new(seed: Seed) -> Self {
        Self { seed }
    }

    fn damage(&self, place: usize) -> Damage {
        match self.seed.0.wrapping_add(number(place)) % 3 {
            0 => Damage::None,
            1 => Damage::Signature,
            _ => Damage::Digest,
        }
    }

    fn frame(&self, addressed: &Addressed<'_>) -> Bytes {
        let damaged = |envelope| envelope_frame(envelope, addressed.batches.to_vec());
        let envelope = addressed.envelope.clone();
        match self.damage(addressed.place) {
            _ if !addressed.messages.iter().any(is_vote) => addressed.honest(),
            Damage::None => addressed.honest(),
            Damage::Signature => damaged(Envelope {
                signature: flip_signature(&envelope.signature),
                ..envelope
            }),
            Damage::Digest => damaged(Envelope {
                messages: flip_votes(addressed.messages, envelope.messages),
                ..envelope
            }),
        }
    }

    fn relayed(&self, place: usize, frame: &Frame) -> Bytes {
        match (self.damage(place), frame) {
            (Damage::None, _) => frame.encode(),
            (_, Frame::Relay(messages)) => {
                let flipped = messages.iter().map(|signed| SignedMessage {
                    signature: flip_signature(&signed.signature),
                    ..signed.clone()
                });
                Frame::Relay(flipped.collect()).encode()
            }
            _ => frame.encode(),
        }
    }
}

impl Interposer for CorruptVotes {
    fn outbound(&self, outbound: &Outbound<'_>) -> Vec<Parcel> {
        for_each_peer(
            outbound,
            |addressed| vec![self.frame(addressed)],
            |place, frame| self.relayed(place, frame),
        )
    }
}

const fn is_vote(message: &Message) -> bool {
    matches!(
        message,
        Message::PrePrepare(_) | Message::Prepare(_) | Message::Commit(_)
    )
}

fn flip_signature(signature: &Signature) -> Signature {
    let mut bytes = *signature.as_bytes();
    bytes[0] ^= 1;
    Signature::from_bytes(bytes)
}

/// The digest is the last field of a vote, so its last bit is the vote's last bit.
fn flip_votes(messages: &[Message], encoded: Vec<Bytes>) -> Vec<Bytes> {
    let pairs = messages.iter().zip(encoded);
    let flip = |(message, bytes): (&Message, Bytes)| {
        let mut flipped = bytes.to_vec();
        if let Some(last) = flipped.last_mut().filter(|_| is_vote(message)) {
            *last ^= 1;
        }
        Bytes::from(flipped)
    };
    pairs.map(flip).collect()
}

#[cfg(test)]
mod tests {
    use byzantine_consensus::ReplicaId;

    use super::*;
    use crate::rewrite::scene;

    fn envelope(parcel: &Parcel) -> Envelope {
        match Frame::decode(&parcel.frame) {
            Some(Frame::Envelope { envelope, .. }) => envelope,
            _ => panic!("an envelope"),
        }
    }

    #[test]
    fn one_peer_hears_the_truth_one_a_bad_signature_one_a_bad_digest() {
        let vote = scene::vote(&scene::batch(1));
        let messages = [Message::Commit(vote)];
        let honest = scene::seal(&messages);
        let parcels = scene::sent(&CorruptVotes::new(Seed(0)), &messages, &[], &[]);
        assert_eq!(envelope(&parcels[0]), honest);
        assert_ne!(envelope(&parcels[1]).signature, honest.signature);
        assert_eq!(envelope(&parcels[1]).messages, honest.messages);
        let (read, _) = scene::read(&parcels[2].frame);
        let [Message::Commit(other)] = read.as_slice() else {
            panic!("one COMMIT");
        };
        assert_eq!((other.view, other.sequence), (vote.view, vote.sequence));
        assert_ne!(other.digest, vote.digest);
    }

    #[test]
    fn what_it_relays_is_damaged_too() {
        let signed = SignedMessage {
            sender: ReplicaId(1),
            digests: vec![],
            message: Bytes::new(),
            signature: Signature::from_bytes([7; 64]),
        };
        let direct = [(ReplicaId(2), Frame::Relay(vec![signed.clone()]))];
        let parcels = scene::sent(&CorruptVotes::new(Seed(0)), &[], &[], &direct);
        let last = parcels.iter().rfind(|parcel| parcel.to == ReplicaId(2));
        let frame = last.and_then(|parcel| Frame::decode(&parcel.frame));
        let Some(Frame::Relay(relayed)) = frame else {
            panic!("a RELAY");
        };
        assert_ne!(relayed[0].signature, signed.signature);
    }
}
