//! What sidecar and operator say to each other, in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byzantine_proof::{Enrolment, Possession, Signature};
use serde::{Deserialize, Serialize};

/// What the operator answers to an enrolment that it accepts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Everybody is in: the membership's text.
    Complete(String),
    /// This one is in, these are not.
    Pinned { missing: Vec<u8> },
}

/// The body of an enrolment.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Application<'a> {
    service: &'a str,
    namespace: &'a str,
    domain: &'a str,
    replica: u8,
    epoch: u64,
    vote_public_key: String,
    cosigner_public_key: String,
    link_public_key: String,
    possession: Signatures,
}

#[derive(Serialize)]
struct Signatures {
    vote: String,
    cosigner: String,
    link: String,
}

/// The answer 200.
#[derive(Deserialize)]
pub(super) struct Complete {
    pub(super) membership: String,
}

/// The answer 202.
#[derive(Deserialize)]
pub(super) struct Pinned {
    pub(super) missing: Vec<u8>,
}

/// Any other answer (RFC 9457).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) detail: String,
}

impl<'a> Application<'a> {
    pub(super) fn new(enrolment: &'a Enrolment, possession: &Possession) -> Self {
        let (service, member) = (&enrolment.service, &enrolment.member);
        Self {
            service: service.name(),
            namespace: service.namespace(),
            domain: service.domain(),
            replica: member.id.0,
            epoch: enrolment.epoch,
            vote_public_key: member.vote.to_base64(),
            cosigner_public_key: member.cosigner.to_base64(),
            link_public_key: member.link.to_base64(),
            possession: Signatures {
                vote: base64(&possession.vote),
                cosigner: base64(&possession.cosigner),
                link: base64(&possession.link),
            },
        }
    }
}

fn base64(signature: &Signature) -> String {
    STANDARD.encode(signature.as_bytes())
}
