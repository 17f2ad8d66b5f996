//! Where a replica that lies on purpose would alter what leaves it. The sidecar itself knows only
//! the honest form; the liars that the tests need live in a crate no sidecar links.
//!
//! The seams are exactly where a compromised replica has power over others: its frames, its app's
//! responses, and what its gateway tells clients. Nothing behind them trusts them.

use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::{Envelope, Frame, Message};
use byzantine_proof::ReplicaId;
use http::{HeaderMap, StatusCode};
use tokio::sync::watch;

/// A frame for one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The peer.
    pub to: ReplicaId,
    /// An encoded [`Frame`].
    pub frame: Bytes,
    /// How long the link holds it, and all behind it, back; zero when honest.
    pub delay: Duration,
}

impl Parcel {
    /// Sends a frame at once.
    pub fn now(to: ReplicaId, frame: Bytes) -> Self {
        let delay = Duration::ZERO;
        Self { to, frame, delay }
    }
}

/// What one tick of the driver wants to send, still in parts. It is durable already.
pub struct Outbound<'a> {
    /// The other replicas.
    pub peers: &'a [ReplicaId],
    /// The messages, grouped as the envelopes are.
    pub messages: &'a [Vec<Message>],
    /// The same, signed, for all peers.
    pub envelopes: &'a [Envelope],
    /// Encoded batches that go beside the first envelope.
    pub batches: &'a [Bytes],
    /// Frames for one peer each.
    pub direct: &'a [(ReplicaId, Frame)],
    /// Signs other messages with this replica's vote key.
    pub seal: &'a dyn Fn(&[Message]) -> Envelope,
}

impl Outbound<'_> {
    /// What a correct replica sends: the same to everybody, each frame encoded once.
    pub fn honest(&self) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        for (place, envelope) in self.envelopes.iter().enumerate() {
            let batches = if place == 0 { self.batches } else { &[] };
            let frame = envelope_frame(envelope.clone(), batches.to_vec());
            let copies = self.peers.iter();
            parcels.extend(copies.map(|peer| Parcel::now(*peer, frame.clone())));
        }
        let direct = self.direct.iter();
        parcels.extend(direct.map(|(peer, frame)| Parcel::now(*peer, frame.encode())));
        parcels
    }
}

/// Encodes a frame of an envelope and the batches beside it.
pub fn envelope_frame(envelope: Envelope, batches: Vec<Bytes>) -> Bytes {
    Frame::Envelope { envelope, batches }.encode()
}

/// Whether a replica is cut off from its peers; a correct one never is on purpose.
#[derive(Debug, Clone)]
pub struct Isolation(watch::Receiver<bool>);

impl Isolation {
    /// Follows a switch; once its sender is dropped it stays as it is.
    pub fn new(switch: watch::Receiver<bool>) -> Self {
        Self(switch)
    }

    /// Whether the replica is cut off now.
    pub fn lasts(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits while the replica is cut off.
    pub async fn ended(&mut self) {
        if self.0.wait_for(|isolated| !isolated).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the replica is cut off.
    pub async fn begun(&mut self) {
        if self.0.wait_for(|isolated| *isolated).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Default for Isolation {
    fn default() -> Self {
        Self(watch::channel(false).1)
    }
}

/// The seam; every method's default is what a correct replica does.
pub trait Interposer: Send + Sync {
    /// Turns a tick's messages into frames.
    fn outbound(&self, outbound: &Outbound<'_>) -> Vec<Parcel> {
        outbound.honest()
    }

    /// A switch that cuts all links to peers, both ways.
    fn isolation(&self) -> Isolation {
        Isolation::default()
    }

    /// Alters what the app answered, before it becomes a canonical answer.
    fn application_response(
        &self,
        _status: &mut StatusCode,
        _headers: &mut HeaderMap,
        _body: &mut Bytes,
    ) {
    }

    /// Alters what the gateway returns to a client.
    fn client_response(&self, response: http::Response<Bytes>) -> http::Response<Bytes> {
        response
    }
}

/// A correct replica.
#[derive(Debug, Clone, Copy, Default)]
pub struct Honest;

impl Interposer for Honest {}

#[cfg(test)]
mod tests {
    use super::*;
    use byzantine_proof::Signature;

    fn envelope(message: &'static [u8]) -> Envelope {
        Envelope {
            sender: ReplicaId(0),
            messages: vec![Bytes::from_static(message)],
            signature: Signature::from_bytes([0; 64]),
        }
    }

    #[test]
    fn honest_replicas_say_the_same_to_all_and_batches_go_once() {
        let (peers, batches) = ([ReplicaId(1), ReplicaId(2)], [Bytes::from_static(b"batch")]);
        let envelopes = [envelope(b"a"), envelope(b"b")];
        let outbound = Outbound {
            peers: &peers,
            messages: &[],
            envelopes: &envelopes,
            batches: &batches,
            direct: &[],
            seal: &|_| envelope(b"other"),
        };
        let parcels = Honest.outbound(&outbound);
        assert_eq!(parcels.len(), 4);
        assert_eq!(parcels[0].frame, parcels[1].frame);
        let carried = |frame: &Bytes| match Frame::decode(frame) {
            Some(Frame::Envelope { batches, .. }) => batches.len(),
            _ => usize::MAX,
        };
        assert_eq!(carried(&parcels[0].frame), 1);
        assert_eq!(carried(&parcels[2].frame), 0);
    }

    #[tokio::test]
    async fn an_isolation_is_waited_for_at_both_ends() {
        let (switch, seen) = watch::channel(true);
        let mut isolation = Isolation::new(seen);
        isolation.begun().await;
        switch.send_replace(false);
        isolation.ended().await;
        let mut never = Isolation::default();
        never.ended().await;
        let waited = tokio::time::timeout(Duration::from_millis(10), never.begun()).await;
        assert!(waited.is_err());
    }
}
