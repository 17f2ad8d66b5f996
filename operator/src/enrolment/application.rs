//! What a sidecar asks for, before anything of it is believed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byzantine_proof::{
    Enrolment, MAX_MEMBERS, Member, Possession, PublicKey, ReplicaId, ServiceName, Signature,
};
use serde::Deserialize;

use super::GENESIS;
use super::refusal::{Reason, Refusal};

/// The body of an enrolment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    service: String,
    namespace: String,
    domain: String,
    replica: u8,
    epoch: u64,
    vote_public_key: String,
    cosigner_public_key: String,
    link_public_key: String,
    possession: Signatures,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signatures {
    vote: String,
    cosigner: String,
    link: String,
}

/// A wish to be a member, well-formed and not yet checked.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) service: ServiceName,
    pub(super) member: Member,
    possession: Possession,
}

impl Application {
    /// Reads the body; keys of small order are refused here.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| malformed(format!("the body is no enrolment: {error}")))?;
        if body.epoch != GENESIS {
            let epoch = body.epoch;
            return Err(malformed(format!(
                "epoch {epoch} is not decided here; only epoch 0 is enrolled"
            )));
        }
        if usize::from(body.replica) >= MAX_MEMBERS {
            let replica = body.replica;
            return Err(malformed(format!("no service has a replica {replica}")));
        }
        Ok(Self {
            service: ServiceName::new(&body.service, &body.namespace, &body.domain)?,
            member: Member {
                id: ReplicaId(body.replica),
                vote: PublicKey::from_base64(&body.vote_public_key)?,
                cosigner: PublicKey::from_base64(&body.cosigner_public_key)?,
                link: PublicKey::from_base64(&body.link_public_key)?,
            },
            possession: Possession {
                vote: signature(&body.possession.vote)?,
                cosigner: signature(&body.possession.cosigner)?,
                link: signature(&body.possession.link)?,
            },
        })
    }

    /// Whether the secret keys are in that pod.
    pub(super) fn check_possession(&self, pod: &str) -> Result<(), Refusal> {
        let enrolment = Enrolment {
            service: self.service.clone(),
            epoch: GENESIS,
            pod: pod.to_owned(),
            member: self.member.clone(),
        };
        Ok(enrolment.verify(&self.possession)?)
    }
}

fn signature(text: &str) -> Result<Signature, Refusal> {
    let bytes = STANDARD.decode(text).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or_else(|| malformed("a signature is the base64 of 64 bytes"))?;
    Ok(Signature::from_bytes(bytes))
}

fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::Malformed, detail)
}

#[cfg(test)]
mod tests {
    use byzantine_proof::SecretKey;
    use serde_json::{Value, json};

    use super::*;

    fn keys() -> [SecretKey; 3] {
        [1, 2, 3].map(|seed| SecretKey::from_seed(&[seed; 32]))
    }

    fn body(pod: &str) -> Value {
        let [vote, cosigner, link] = keys();
        let enrolment = Enrolment {
            service: ServiceName::parse("wallet.bank.cluster.local").unwrap(),
            epoch: 0,
            pod: pod.to_owned(),
            member: Member {
                id: ReplicaId(2),
                vote: vote.public_key(),
                cosigner: cosigner.public_key(),
                link: link.public_key(),
            },
        };
        let signed = enrolment.sign(&vote, &cosigner, &link);
        let text = |signature: &Signature| STANDARD.encode(signature.as_bytes());
        json!({
            "service": "wallet", "namespace": "bank", "domain": "cluster.local",
            "replica": 2, "epoch": 0,
            "votePublicKey": vote.public_key().to_base64(),
            "cosignerPublicKey": cosigner.public_key().to_base64(),
            "linkPublicKey": link.public_key().to_base64(),
            "possession": {
                "vote": text(&signed.vote),
                "cosigner": text(&signed.cosigner),
                "link": text(&signed.link),
            },
        })
    }

    fn reason(body: &Value) -> Reason {
        Application::parse(body.to_string().as_bytes())
            .unwrap_err()
            .reason
    }

    #[test]
    fn the_holder_of_the_keys_in_that_pod_is_believed() {
        let application = Application::parse(body("uid-1").to_string().as_bytes()).unwrap();
        assert!(application.check_possession("uid-1").is_ok());
        let replayed = application.check_possession("uid-2").unwrap_err();
        assert_eq!(replayed.reason, Reason::NoPossession);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (field, value, expected) in [
            ("epoch", json!(1), Reason::Malformed),
            ("replica", json!(32), Reason::Malformed),
            ("replica", json!(-1), Reason::Malformed),
            ("service", json!("Wallet"), Reason::Malformed),
            ("namespace", json!("a.b"), Reason::Malformed),
            ("votePublicKey", json!("AAAA"), Reason::Malformed),
            (
                "linkPublicKey",
                json!(STANDARD.encode([0; 32])),
                Reason::UnusableKey,
            ),
            ("extra", json!(1), Reason::Malformed),
            (
                "possession",
                json!({"vote": "", "cosigner": "", "link": ""}),
                Reason::Malformed,
            ),
        ] {
            let mut body = body("uid-1");
            body[field] = value;
            assert_eq!(reason(&body), expected, "{field}");
        }
        assert!(Application::parse(b"[").is_err());
    }
}
