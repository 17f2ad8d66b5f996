//! Signatures: all messages of one tick leave in one signed envelope.
//!
//! The signature covers the list of the messages' digests, so that a certificate needs only that
//! list and the one message it is about. Handlers take [`Verified`] values, which only the
//! functions of this file can make.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use byzantine_proof::{Checkpoint, Cosignature, Digest, ReplicaId, Signature};

use crate::limits::ENVELOPE_MESSAGES;
use crate::message::Message;
use crate::rejection::Rejection;
use crate::request::request_id;
use crate::sabotage::{Bug, is_on};
use crate::types::{RequestId, Sequence};

/// The keys of the membership, and this replica's own. Real ones outside; a table in simulations.
pub trait Authority: Send + Sync {
    /// Signs with this replica's vote key.
    fn sign(&self, digest: &Digest) -> Signature;
    /// Whether `sender`'s vote key made `signature` over `digest`.
    fn verify(&self, sender: ReplicaId, digest: &Digest, signature: &Signature) -> bool;
    /// Signs a checkpoint with this replica's cosigner key.
    fn cosign(&self, size: u64, root: &Digest, time_seconds: u64) -> Cosignature;
    /// Whether `cosigner`'s key made `cosignature` over a checkpoint.
    fn verify_cosignature(
        &self,
        cosigner: ReplicaId,
        size: u64,
        root: &Digest,
        cosignature: &Cosignature,
    ) -> bool;
}

/// The messages of one tick under one signature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Envelope {
    /// Who says so.
    pub sender: ReplicaId,
    /// Encoded messages.
    pub messages: Vec<Bytes>,
    /// By the sender's vote key, over origin, sender and the messages' digests.
    pub signature: Signature,
}

impl Envelope {
    /// Signs `messages` in the name of `sender`.
    pub fn seal(
        origin: &Digest,
        sender: ReplicaId,
        messages: &[Message],
        authority: &dyn Authority,
    ) -> Self {
        let encoded: Vec<Bytes> = messages.iter().map(Message::encode).collect();
        Self::sign(origin, sender, encoded, authority).0
    }

    /// The same, with the messages as they come back to who said them.
    pub(crate) fn seal_own(
        origin: &Digest,
        sender: ReplicaId,
        messages: &[Message],
        authority: &dyn Authority,
    ) -> (Self, Sealed) {
        let encoded: Vec<Bytes> = messages.iter().map(Message::encode).collect();
        let (envelope, digests) = Self::sign(origin, sender, encoded, authority);
        let bodies = messages.iter().zip(&envelope.messages);
        let verified = bodies.map(|(body, bytes)| envelope.verified(body.clone(), bytes, &digests));
        let sealed = Sealed(verified.collect());
        (envelope, sealed)
    }

    fn sign(
        origin: &Digest,
        sender: ReplicaId,
        messages: Vec<Bytes>,
        authority: &dyn Authority,
    ) -> (Self, Vec<Digest>) {
        let digests = digests(&messages);
        let signature = authority.sign(&signing_digest(origin, sender, &digests));
        let envelope = Self {
            sender,
            messages,
            signature,
        };
        (envelope, digests)
    }

    /// One of the messages, once the signature was checked or made.
    fn verified(&self, body: Message, bytes: &Bytes, digests: &[Digest]) -> Verified<Message> {
        let signed = SignedMessage {
            sender: self.sender,
            digests: digests.to_vec(),
            message: bytes.clone(),
            signature: self.signature,
        };
        Verified {
            sender: self.sender,
            body,
            signed: Arc::new(signed),
        }
    }
}

/// The messages of an envelope that this very process sealed. Only
/// [`Effects::commit`](crate::Effects::commit) makes one, so nothing of it is checked again:
/// that would cost as much as checking a peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Vec<Verified<Message>>);

impl Sealed {
    pub(crate) fn messages(&self) -> &[Verified<Message>] {
        &self.0
    }
}

/// One message of an envelope with what its signature needs, as certificates carry it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedMessage {
    /// Who says so.
    pub sender: ReplicaId,
    /// The digests of all messages of the envelope.
    pub digests: Vec<Digest>,
    /// The encoded message, one of them.
    pub message: Bytes,
    /// The envelope's signature.
    pub signature: Signature,
}

/// A message whose signature was checked, or made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    sender: ReplicaId,
    body: T,
    signed: Arc<SignedMessage>,
}

impl<T> Verified<T> {
    /// Who says so.
    pub const fn sender(&self) -> ReplicaId {
        self.sender
    }

    /// What is said.
    pub const fn body(&self) -> &T {
        &self.body
    }

    /// The form that convinces others.
    pub fn signed(&self) -> &SignedMessage {
        &self.signed
    }

    /// This message's signature under ADMITTED with the names of what it admits: a word that can be
    /// shown without bodies.
    pub(crate) fn admission(&self, as_of: Sequence, names: &[RequestId]) -> Arc<SignedMessage> {
        let names = names.to_vec();
        Arc::new(SignedMessage {
            message: Message::Admitted { as_of, names }.encode(),
            ..SignedMessage::clone(&self.signed)
        })
    }

    /// The same message with its kind known; the signature covers it as before.
    pub(crate) fn narrow<U>(&self, body: U) -> Verified<U> {
        Verified {
            sender: self.sender,
            body,
            signed: Arc::clone(&self.signed),
        }
    }
}

/// Checks an envelope and takes it apart.
///
/// # Errors
/// [`Rejection::Signature`], [`Rejection::Malformed`] or [`Rejection::TooMany`].
pub fn open(
    origin: &Digest,
    envelope: &Envelope,
    authority: &dyn Authority,
) -> Result<Vec<Verified<Message>>, Rejection> {
    if envelope.messages.len() > ENVELOPE_MESSAGES {
        return Err(Rejection::TooMany);
    }
    let digests = digests(&envelope.messages);
    let signed = signing_digest(origin, envelope.sender, &digests);
    let valid = authority.verify(envelope.sender, &signed, &envelope.signature);
    if !valid && !is_on(Bug::SenderUnchecked) {
        return Err(Rejection::Signature);
    }
    take_apart(envelope, &digests)
}

fn take_apart(
    envelope: &Envelope,
    digests: &[Digest],
) -> Result<Vec<Verified<Message>>, Rejection> {
    let parts = envelope.messages.iter();
    parts
        .map(|message| {
            let body = borsh::from_slice(message).map_err(|_| Rejection::Malformed);
            assert!(body.is_ok() || !is_on(Bug::MalformedPanics), "no message");
            Ok(envelope.verified(body?, message, digests))
        })
        .collect()
}

/// Checks one message out of a certificate or a RELAY.
///
/// # Errors
/// [`Rejection::Signature`], [`Rejection::Malformed`] or [`Rejection::TooMany`].
pub fn open_one(
    origin: &Digest,
    signed: &SignedMessage,
    authority: &dyn Authority,
) -> Result<Verified<Message>, Rejection> {
    if signed.digests.len() > ENVELOPE_MESSAGES {
        return Err(Rejection::TooMany);
    }
    let covered = signed.digests.contains(&message_digest(&signed.message));
    let digest = signing_digest(origin, signed.sender, &signed.digests);
    if !covered || !authority.verify(signed.sender, &digest, &signed.signature) {
        return Err(Rejection::Signature);
    }
    let body = borsh::from_slice(&signed.message).map_err(|_| Rejection::Malformed)?;
    Ok(Verified {
        sender: signed.sender,
        body,
        signed: Arc::new(signed.clone()),
    })
}

fn digests(messages: &[Bytes]) -> Vec<Digest> {
    messages.iter().map(message_digest).collect()
}

/// What the signature of an envelope covers of one encoded message. Requests are signed by name:
/// whoever has the names can show who admitted them.
pub fn message_digest(message: &Bytes) -> Digest {
    let named = by_name(message);
    Digest::tagged("byzantine-message/v1", &[named.as_ref().unwrap_or(message)])
}

/// The ADMITTED that says what an encoded REQUESTS says; `None` for any other message.
fn by_name(message: &Bytes) -> Option<Bytes> {
    // What is not a REQUESTS is not decoded for this.
    if message.first() != Some(&Message::REQUESTS) {
        return None;
    }
    match borsh::from_slice(message) {
        Ok(Message::Requests { as_of, requests }) => {
            let names = requests.iter().map(|bytes| request_id(bytes)).collect();
            Some(Message::Admitted { as_of, names }.encode())
        }
        _ => None,
    }
}

fn signing_digest(origin: &Digest, sender: ReplicaId, digests: &[Digest]) -> Digest {
    let joined: Vec<u8> = digests
        .iter()
        .flat_map(|digest| *digest.as_bytes())
        .collect();
    Digest::tagged(
        "byzantine-envelope/v1",
        &[origin.as_bytes(), &[sender.0], &joined],
    )
}

/// The real keys of one replica.
pub struct Keys {
    membership: byzantine_proof::Membership,
    vote: byzantine_proof::SecretKey,
    cosigner: byzantine_proof::SecretKey,
}

impl Keys {
    /// The secret keys of one member beside everyone's public ones.
    pub const fn new(
        membership: byzantine_proof::Membership,
        vote: byzantine_proof::SecretKey,
        cosigner: byzantine_proof::SecretKey,
    ) -> Self {
        Self {
            membership,
            vote,
            cosigner,
        }
    }

    fn checkpoint(&self, size: u64, root: &Digest) -> Checkpoint {
        Checkpoint {
            origin: self.membership.origin().clone(),
            size,
            root: *root,
        }
    }
}

impl Authority for Keys {
    fn sign(&self, digest: &Digest) -> Signature {
        self.vote.sign(digest.as_bytes())
    }

    fn verify(&self, sender: ReplicaId, digest: &Digest, signature: &Signature) -> bool {
        let member = self.membership.member(sender);
        member.is_some_and(|member| {
            member
                .vote
                .verify_strict(digest.as_bytes(), signature)
                .is_ok()
        })
    }

    fn cosign(&self, size: u64, root: &Digest, time_seconds: u64) -> Cosignature {
        Cosignature::cosign(&self.cosigner, &self.checkpoint(size, root), time_seconds)
    }

    fn verify_cosignature(
        &self,
        cosigner: ReplicaId,
        size: u64,
        root: &Digest,
        cosignature: &Cosignature,
    ) -> bool {
        let member = self.membership.member(cosigner);
        let checkpoint = self.checkpoint(size, root);
        member.is_some_and(|member| cosignature.verify(&member.cosigner, &checkpoint).is_ok())
    }
}
