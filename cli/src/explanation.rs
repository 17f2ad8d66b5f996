//! What a verification says, in plain words and as JSON.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byzantine_proof::{Freshness, LeafKind, Policy, ReplicaId, Verified, VerifyError};
use serde_json::{Value, json};

use crate::instant::rfc3339;

/// What was proved, for people.
pub(crate) fn proved(verified: &Verified, policy: &Policy) -> String {
    let mut text = String::from("verified\n");
    for (label, words) in paragraphs(verified, policy) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {label:<9} {words}");
    }
    text.push_str("it does not prove\n");
    for words in limits(verified) {
        let _ = writeln!(text, "  - {words}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// One line for those who called and want the answer.
pub(crate) fn summary(verified: &Verified, policy: &Policy) -> String {
    format!(
        "verified: {} answered {} as request {}.{} at {}, signed by replicas {} of {}",
        service(policy),
        verified.leaf.status,
        verified.leaf.sequence,
        verified.leaf.index,
        rfc3339(verified.leaf.time_ms),
        listed(&verified.signers),
        policy.cosigners().len(),
    )
}

fn paragraphs(verified: &Verified, policy: &Policy) -> [(&'static str, String); 6] {
    let (leaf, replicas) = (&verified.leaf, policy.cosigners().len());
    let bytes = verified.body.len();
    [
        (
            "what",
            format!(
                "{}, and this body of {bytes} bytes",
                decided(leaf.kind, leaf.status)
            ),
        ),
        ("service", service(policy).to_owned()),
        (
            "by", // n, k: whoever wants to lie needs more than the service tolerates.
            format!(
                "replicas {} of {replicas}; {} were needed, so a lie would need more liars among \
                 them than the service tolerates",
                listed(&verified.signers),
                policy.quorum()
            ),
        ),
        (
            "when",
            format!(
                "{} by the clocks that the replicas agreed on, as request {} of sequence {}",
                rfc3339(leaf.time_ms),
                leaf.index,
                leaf.sequence
            ),
        ),
        ("request", bound(verified.freshness).to_owned()),
        (
            "log",
            format!(
                "entry {} of {}, root {}",
                verified.position,
                verified.checkpoint.size,
                verified.checkpoint.root.to_base64()
            ),
        ),
    ]
}

fn decided(kind: LeafKind, status: u16) -> String {
    match kind {
        LeafKind::App => format!("the app answered {status}"),
        LeafKind::Verdict => format!(
            "the replicas' apps gave different answers, and they agreed on saying so: {status}"
        ),
        LeafKind::Reused => {
            format!("the key belongs to another request, so this one did not run: {status}")
        }
        LeafKind::Limit => format!("a limit was reached, so the request did not run: {status}"),
    }
}

fn bound(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Unbound => {
            "not compared; add --url, and -X, -d, -H, --key as they were sent, to compare it"
        }
        Freshness::GatewayKey => "the one given here, under a key that the gateway made",
        Freshness::OwnKey => "the one given here, under your key",
    }
}

fn limits(verified: &Verified) -> Vec<&'static str> {
    let mut limits = match verified.freshness {
        Freshness::Unbound => vec!["that this answers your request: it answers some request"],
        Freshness::GatewayKey => vec![
            "that it is fresh: the gateway chose the key and may have used it before; send a key \
             of your own to be sure",
        ],
        Freshness::OwnKey => Vec::new(),
    };
    limits.push("that nothing changed since: later requests may have");
    limits.push("that the app is right: the replicas agree on what it answered");
    limits.push("header fields that are not certified, such as date and server");
    limits
}

fn service(policy: &Policy) -> &str {
    let origin = policy.origin().as_str();
    origin
        .rsplit_once('/')
        .map_or(origin, |(service, _)| service)
}

/// `0, 1 and 3`.
fn listed(replicas: &[ReplicaId]) -> String {
    let words: Vec<String> = replicas.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// What was proved, for programs.
pub(crate) fn proved_json(verified: &Verified, policy: &Policy) -> Value {
    let leaf = &verified.leaf;
    let fields: Vec<[String; 2]> = verified
        .fields
        .iter()
        .map(|field| {
            [
                field.name.clone(),
                String::from_utf8_lossy(&field.value).into_owned(),
            ]
        })
        .collect();
    let freshness = match verified.freshness {
        Freshness::Unbound => "unbound",
        Freshness::GatewayKey => "gateway-key",
        Freshness::OwnKey => "own-key",
    };
    json!({
        "verified": true,
        "service": service(policy),
        "origin": policy.origin().as_str(),
        "kind": leaf.kind.as_str(),
        "status": leaf.status,
        "headers": fields,
        "body": std::str::from_utf8(&verified.body).ok(),
        "bodyBase64": STANDARD.encode(&verified.body),
        "sequence": leaf.sequence,
        "index": leaf.index,
        "time": rfc3339(leaf.time_ms),
        "timeUnixMs": leaf.time_ms,
        "position": verified.position,
        "treeSize": verified.checkpoint.size,
        "root": verified.checkpoint.root.to_base64(),
        "signers": verified.signers.iter().map(|signer| signer.0).collect::<Vec<_>>(),
        "needed": policy.quorum(),
        "replicas": policy.cosigners().len(),
        "request": if verified.freshness == Freshness::Unbound { "not-compared" } else { "equal" },
        "freshness": freshness,
        "doesNotProve": limits(verified),
    })
}

/// Why it is not verified, for programs.
pub(crate) fn refused_json(error: &VerifyError) -> Value {
    json!({
        "verified": false,
        "error": error.name(),
        "message": error.to_string(),
        "certified": error.certified(),
        "received": error.received(),
        "meaning": error.meaning(),
        "nextStep": error.next_step(),
    })
}
