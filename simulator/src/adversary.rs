//! Liars: replicas that run the production core and alter what leaves it.
//!
//! One attack drives all liars of a run, so they collude. A liar signs whatever it wants with its
//! own key, sees everything that reaches it, and can forge nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use byzantine_consensus::{
    Admission, Authority, Batch, Digest, Envelope, Frame, Message, Outcome, ReplicaId, RequestId,
    Sequence, SharedFrame, SignedMessage, View, message_digest, request_id,
};

use crate::ledger::Proven;
use crate::random::Random;

mod alter_reproposals;
mod bad_cosignature;
mod big_mac;
mod bypass_primary;
mod catalogue;
mod censor;
mod charge_another;
mod charge_itself;
mod commit_unprepared;
mod corrupt_reply;
mod counterfeit;
mod double_vote;
mod drip_feed;
mod drop_reproposals;
mod duplicate_view_changes;
mod equivocate;
mod exhaust_sequences;
mod false_entries;
mod false_height;
mod false_promise;
mod flood_requests;
mod forged_prepared;
mod forged_resolve;
mod forged_views;
mod future_views;
mod garbage_relay;
mod high_watermark;
mod hoard_certificates;
mod impersonate;
mod invent_request;
mod key_twice;
mod lost_results;
mod lying_gateway;
mod mixed_certificate;
mod mute;
mod mute_primary;
mod near_valid;
mod omit_certificate;
mod poisoned_entries;
mod prepare_both;
mod propose_to_some;
mod reorder_clients;
mod repeat_recent;
mod replay_batch;
mod replay_old;
mod resolve_twice;
mod retransmit_storm;
mod rewriting;
mod silent_results;
mod skip_sequences;
mod split_results;
mod spoiled_requests;
mod stale_checkpoint;
mod stall;
mod suspect_always;
mod talk_to_some;
mod unasked_supply;
mod undecodable;
mod unjustified_resolve;
mod usurp;
mod whisper_suspicion;
mod withhold_body;
mod withhold_new_view;
mod wrong_root;
mod wrong_time;

pub use catalogue::AttackKind;

/// What a liar knows as it speaks.
pub struct Scene<'a> {
    /// Who it is.
    pub me: ReplicaId,
    /// Who lies with it.
    pub liars: &'a [ReplicaId],
    /// How many members there are.
    pub members: usize,
    /// f.
    pub faulty: usize,
    /// K.
    pub checkpoint_interval: u64,
    /// The view that it is in.
    pub view: View,
    /// Where its own core stands.
    pub certified: Sequence,
    /// The digest of the origin, for signatures.
    pub origin: Digest,
    /// Its keys.
    pub authority: &'a dyn Authority,
    /// Chance.
    pub random: &'a mut Random,
    /// Everything that reached any liar.
    pub heard: &'a Heard,
    /// Virtual time, in microseconds.
    pub now: u64,
    /// The core's clock for requests, in microseconds.
    pub request_timeout: u64,
}

impl Scene<'_> {
    /// Whether this liar is primary of its view.
    pub fn is_primary(&self) -> bool {
        self.view.primary(self.members) == self.me
    }

    /// Requests that this liar lets in.
    pub fn requests(&self, requests: Vec<Bytes>) -> Message {
        let as_of = self.admission().as_of;
        Message::Requests { as_of, requests }
    }

    /// The same by name.
    pub fn admitted(&self, names: Vec<RequestId>) -> Message {
        let as_of = self.admission().as_of;
        Message::Admitted { as_of, names }
    }

    /// This liar's word for anything, as good as that of a correct replica which has come as far.
    pub const fn admission(&self) -> Admission {
        Admission {
            gateway: self.me,
            as_of: self.certified,
        }
    }

    /// Messages in an envelope of this liar's.
    pub fn seal(&self, messages: &[Message]) -> Frame {
        self.seal_with(messages, Vec::new())
    }

    /// The same, with batches beside them.
    pub fn seal_with(&self, messages: &[Message], batches: Vec<Bytes>) -> Frame {
        Frame::Envelope {
            envelope: Envelope::seal(&self.origin, self.me, messages, self.authority),
            batches,
        }
    }

    /// An envelope of this liar's around any bytes.
    pub fn seal_raw(&self, messages: Vec<Bytes>) -> Frame {
        Frame::Envelope {
            envelope: self.envelope(messages),
            batches: Vec::new(),
        }
    }

    /// Any bytes, signed, as certificates carry messages.
    pub fn signed_raw(&self, message: Bytes) -> SignedMessage {
        let signature = self.envelope(vec![message.clone()]).signature;
        SignedMessage {
            sender: self.me,
            digests: vec![message_digest(&message)],
            message,
            signature,
        }
    }

    fn envelope(&self, messages: Vec<Bytes>) -> Envelope {
        let digests = messages.iter().map(message_digest);
        let joined: Vec<u8> = digests.flat_map(|digest| *digest.as_bytes()).collect();
        let parts = [&self.origin.as_bytes()[..], &[self.me.0], &joined];
        let signed = Digest::tagged("byzantine-envelope/v1", &parts);
        Envelope {
            sender: self.me,
            messages,
            signature: self.authority.sign(&signed),
        }
    }

    /// One frame for everyone.
    pub fn to_all(&self, frame: &Frame) -> Vec<(ReplicaId, Frame)> {
        self.others()
            .into_iter()
            .map(|to| (to, frame.clone()))
            .collect()
    }

    /// One message, signed, as certificates carry it.
    pub fn signed(&self, message: &Message) -> SignedMessage {
        self.signed_raw(message.encode())
    }

    /// Everyone but this liar.
    pub fn others(&self) -> Vec<ReplicaId> {
        let own = self.me;
        let all = (0..self.members).filter_map(|id| u8::try_from(id).ok());
        all.map(ReplicaId).filter(|id| *id != own).collect()
    }

    /// Whether a member is in the half that an equivocating liar tells something else.
    pub fn second_half(&self, member: ReplicaId) -> bool {
        usize::from(member.0) % 2 == 1
    }
}

/// Everything that reached liars, bounded.
#[derive(Debug, Default)]
pub struct Heard {
    /// Batches by sequence, the newest last.
    pub batches: BTreeMap<Sequence, Vec<Batch>>,
    /// Signed messages by kind.
    pub signed: BTreeMap<&'static str, VecDeque<SignedMessage>>,
    /// Canonical requests.
    pub requests: VecDeque<Bytes>,
    /// How often gateways brought one.
    pub brought: u64,
    /// Whole frames of others.
    pub frames: VecDeque<Arc<SharedFrame>>,
}

/// How many of each are kept.
const HEARD: usize = 64;

impl Heard {
    /// Takes note of a frame.
    pub fn hear(&mut self, frame: &Arc<SharedFrame>) {
        if let Frame::Envelope { envelope, batches } = frame.frame() {
            for batch in batches.iter().filter_map(|bytes| Batch::decode(bytes)) {
                let known = self.batches.entry(batch.sequence).or_default();
                if known.len() < 4 && !known.contains(&batch) {
                    known.push(batch);
                }
            }
            match frame.messages() {
                Some(messages) => {
                    for message in messages {
                        self.hear_message(message.body(), message.signed());
                    }
                }
                None => self.hear_envelope(envelope),
            }
        }
        push(&mut self.frames, Arc::clone(frame));
    }

    fn hear_envelope(&mut self, envelope: &Envelope) {
        let digests: Vec<Digest> = envelope.messages.iter().map(message_digest).collect();
        for bytes in &envelope.messages {
            let Ok(message) = borsh::from_slice::<Message>(bytes) else {
                continue;
            };
            let signed = SignedMessage {
                sender: envelope.sender,
                digests: digests.clone(),
                message: bytes.clone(),
                signature: envelope.signature,
            };
            self.hear_message(&message, &signed);
        }
    }

    fn hear_message(&mut self, message: &Message, signed: &SignedMessage) {
        let (mut kind, mut signed) = (message.kind(), signed.clone());
        // A word for requests can be shown by their names alone.
        if let Message::Requests { as_of, requests } = message {
            let as_of = *as_of;
            for request in requests {
                push(&mut self.requests, request.clone());
                self.brought += 1;
            }
            let names = requests.iter().map(|bytes| request_id(bytes)).collect();
            kind = "ADMITTED";
            signed.message = Message::Admitted { as_of, names }.encode();
        }
        push(self.signed.entry(kind).or_default(), signed);
    }
}

fn push<T>(kept: &mut VecDeque<T>, item: T) {
    if kept.len() == HEARD {
        kept.pop_front();
    }
    kept.push_back(item);
}

/// One way to lie. Whatever is not overridden is honest.
pub trait Attack {
    /// Alters the messages of one envelope for one recipient.
    fn messages(
        &mut self,
        _scene: &mut Scene<'_>,
        _to: ReplicaId,
        messages: Vec<Message>,
    ) -> Vec<Message> {
        messages
    }

    /// Alters the batches beside it.
    fn batches(
        &mut self,
        _scene: &mut Scene<'_>,
        _to: ReplicaId,
        batches: Vec<Bytes>,
    ) -> Vec<Bytes> {
        batches
    }

    /// Alters or withholds a frame meant for one peer.
    fn direct(&mut self, _scene: &mut Scene<'_>, _to: ReplicaId, frame: Frame) -> Option<Frame> {
        Some(frame)
    }

    /// How long a frame is held back, in microseconds.
    fn delay(&mut self, _scene: &mut Scene<'_>, _to: ReplicaId) -> u64 {
        0
    }

    /// Says more than the core wanted to; called after each step.
    fn inject(&mut self, _scene: &mut Scene<'_>) -> Vec<(ReplicaId, Frame)> {
        Vec::new()
    }

    /// Alters what the liar's own app answered.
    fn outcomes(&mut self, _scene: &mut Scene<'_>, outcomes: Vec<Outcome>) -> Vec<Outcome> {
        outcomes
    }

    /// Alters or withholds what the liar's gateway tells a client.
    fn reply(&mut self, _scene: &mut Scene<'_>, proven: Proven) -> Option<Proven> {
        Some(proven)
    }

    /// Whether the liar's gateway serves clients.
    fn serves(&mut self, _scene: &mut Scene<'_>) -> bool {
        true
    }
}
