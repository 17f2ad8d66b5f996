//! What a faulty member says, and what one member gives another unasked.

use bytes::Bytes;
use byzantine_consensus::{
    Authority, Envelope, Event, Frame, Message, SignedMessage, Supply, open,
};
use byzantine_proof::Digest;

use super::{Group, replica_id};

impl Group {
    /// What a faulty member puts its vote key to, given to everyone else.
    pub fn forge(&mut self, id: usize, messages: &[Message], batches: &[Bytes]) {
        let peers: Vec<usize> = (0..self.nodes.len()).filter(|peer| *peer != id).collect();
        self.forge_with(&peers, id, messages, batches);
    }

    /// The same for some of the others only.
    pub fn forge_to(&mut self, peers: &[usize], id: usize, messages: &[Message]) {
        self.forge_with(peers, id, messages, &[]);
    }

    /// The same, with batches beside them.
    pub fn forge_with(&mut self, to: &[usize], id: usize, messages: &[Message], batches: &[Bytes]) {
        let origin = Digest::of(self.membership.origin().as_str().as_bytes());
        let authority = self.nodes[id].authority.as_ref();
        let envelope = Envelope::seal(&origin, replica_id(id), messages, authority);
        for peer in to {
            let frame = Frame::Envelope {
                envelope: envelope.clone(),
                batches: batches.to_vec(),
            };
            let from = replica_id(id);
            self.handle(*peer, Event::Received { from, frame });
        }
    }

    /// Data that one member gives another unasked.
    pub fn supply(&mut self, from: usize, to: usize, supply: Supply) {
        let (from, frame) = (replica_id(from), Frame::Supply(supply));
        self.handle(to, Event::Received { from, frame });
    }

    /// What a faulty member signed for somebody, shown by another one.
    pub fn show(&mut self, from: usize, to: usize, id: usize, messages: &[Message]) {
        let signed = self.sign(id, messages);
        self.relay(from, to, signed);
    }

    /// An envelope that one member signed, over the link of another.
    pub fn pass_on(&mut self, from: usize, to: usize, id: usize, messages: &[Message]) {
        let authority = self.authority(id);
        self.seal(from, to, (id, authority.as_ref()), messages);
    }

    /// An envelope in the name of a member that did not sign it.
    pub fn pretend(&mut self, to: usize, id: usize, messages: &[Message]) {
        let authority = self.authority(to);
        self.seal(id, to, (id, authority.as_ref()), messages);
    }

    fn seal(
        &mut self,
        from: usize,
        to: usize,
        (id, authority): (usize, &dyn Authority),
        messages: &[Message],
    ) {
        let origin = Digest::of(self.membership.origin().as_str().as_bytes());
        let frame = Frame::Envelope {
            envelope: Envelope::seal(&origin, replica_id(id), messages, authority),
            batches: vec![],
        };
        let from = replica_id(from);
        self.handle(to, Event::Received { from, frame });
    }

    /// What one member says that others signed.
    pub fn relay(&mut self, from: usize, to: usize, signed: Vec<SignedMessage>) {
        let (from, frame) = (replica_id(from), Frame::Relay(signed));
        self.handle(to, Event::Received { from, frame });
    }

    /// What a faulty member signed, to be put into a certificate.
    pub fn sign(&self, id: usize, messages: &[Message]) -> Vec<SignedMessage> {
        let origin = Digest::of(self.membership.origin().as_str().as_bytes());
        let authority = self.nodes[id].authority.as_ref();
        let envelope = Envelope::seal(&origin, replica_id(id), messages, authority);
        let opened = open(&origin, &envelope, authority).unwrap();
        opened
            .iter()
            .map(|message| message.signed().clone())
            .collect()
    }
}
