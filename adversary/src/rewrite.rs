//! What all liars of the wire share: frames of which each peer gets its own.

use bytes::Bytes;
use byzantine_consensus::{Envelope, Frame, Message};
use byzantine_sidecar::interposer::{Outbound, Parcel, envelope_frame};

/// One envelope that a peer is to get, before it is altered.
pub(crate) struct Addressed<'a> {
    /// The peer's place among the peers.
    pub(crate) place: usize,
    /// The messages in it.
    pub(crate) messages: &'a [Message],
    /// The envelope that a correct replica would send.
    pub(crate) envelope: &'a Envelope,
    /// The batches beside it.
    pub(crate) batches: &'a [Bytes],
}

/// Frames for each peer in turn: what `rewrite` makes of every envelope, then the direct frames
/// as `redirect` leaves them.
pub(crate) fn for_each_peer(
    outbound: &Outbound<'_>,
    rewrite: impl Fn(&Addressed<'_>) -> Vec<Bytes>,
    redirect: impl Fn(usize, &Frame) -> Bytes,
) -> Vec<Parcel> {
    let mut parcels = Vec::new();
    for (place, peer) in outbound.peers.iter().enumerate() {
        for (number, envelope) in outbound.envelopes.iter().enumerate() {
            let addressed = Addressed {
                place,
                messages: outbound.messages.get(number).map_or(&[], Vec::as_slice),
                envelope,
                batches: if number == 0 { outbound.batches } else { &[] },
            };
            let frames = rewrite(&addressed).into_iter();
            parcels.extend(frames.map(|frame| Parcel::now(*peer, frame)));
        }
        let direct = outbound.direct.iter().filter(|(to, _)| to == peer);
        parcels.extend(direct.map(|(_, frame)| Parcel::now(*peer, redirect(place, frame))));
    }
    parcels
}

impl Addressed<'_> {
    /// What a correct replica would send.
    pub(crate) fn honest(&self) -> Bytes {
        envelope_frame(self.envelope.clone(), self.batches.to_vec())
    }
}

/// A place or counter as a number to choose by.
pub(crate) fn number(place: usize) -> u64 {
    // No platform has places beyond 64 bits; if one had, the choice would merely be constant.
    u64::try_from(place).unwrap_or_default()
}

/// The replicas, messages and signatures of the tests.
#[cfg(test)]
pub(crate) mod scene {
    use byzantine_consensus::{Admission, Batch, RequestId, Sequence, UnixMillis, View, Vote};
    use byzantine_proof::{Digest, ReplicaId, Signature};

    use super::*;

    /// Everybody but replica 0.
    pub(crate) const PEERS: [ReplicaId; 3] = [ReplicaId(1), ReplicaId(2), ReplicaId(3)];

    /// Seals without a key: the signature tells nothing, the messages all.
    pub(crate) fn seal(messages: &[Message]) -> Envelope {
        Envelope {
            sender: ReplicaId(0),
            messages: messages.iter().map(Message::encode).collect(),
            signature: Signature::from_bytes([7; 64]),
        }
    }

    /// A batch of two requests.
    pub(crate) fn batch(sequence: u64) -> Batch {
        let request = |name: &[u8]| RequestId(Digest::of(name));
        let admission = Admission {
            gateway: ReplicaId(0),
            as_of: Sequence(0),
        };
        Batch {
            sequence: Sequence(sequence),
            time: Some(UnixMillis(1_000)),
            requests: vec![request(b"first"), request(b"second")],
            admissions: vec![admission; 2],
            resolutions: vec![],
        }
    }

    /// The vote for a batch.
    pub(crate) fn vote(batch: &Batch) -> Vote {
        Vote {
            view: View(0),
            sequence: batch.sequence,
            digest: batch.digest(),
        }
    }

    /// What a liar makes of one tick.
    pub(crate) fn sent(
        liar: &impl byzantine_sidecar::Interposer,
        messages: &[Message],
        batches: &[Bytes],
        direct: &[(ReplicaId, Frame)],
    ) -> Vec<Parcel> {
        let groups = [messages.to_vec()];
        let envelopes = [seal(messages)];
        liar.outbound(&Outbound {
            peers: &PEERS,
            messages: &groups,
            envelopes: &envelopes,
            batches,
            direct,
            seal: &seal,
        })
    }

    /// The messages and batches in a frame.
    pub(crate) fn read(frame: &[u8]) -> (Vec<Message>, Vec<Bytes>) {
        let Some(Frame::Envelope { envelope, batches }) = Frame::decode(frame) else {
            panic!("a frame with an envelope");
        };
        let decode = |bytes: &Bytes| borsh::from_slice(bytes).expect("a message");
        (envelope.messages.iter().map(decode).collect(), batches)
    }
}
