//! Why a response is not what a quorum of replicas certified, and what to do about it.

use std::fmt;

use crate::digest::Digest;
use crate::error::ProofError;
use crate::service::Origin;

/// A failed verification. [`VerifyError::name`] is the name shared by all verifiers; `Display`
/// shows certified beside received, what the failure means, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no proof; perhaps it is only linked.
    NoProof {
        /// Where the proof can be fetched, as the response says.
        link: Option<String>,
    },
    /// The proof cannot be read.
    ProofFormat {
        /// What is wrong with it.
        cause: ProofError,
    },
    /// The proof is of another service or epoch than the policy.
    Origin {
        /// The policy's origin.
        policy: Origin,
        /// The checkpoint's origin.
        proof: Origin,
    },
    /// A signature of a known key does not verify.
    Signature {
        /// The name in the signature line.
        name: String,
    },
    /// Not exactly k cosignatures of distinct replicas, ascending.
    Quorum {
        /// Valid cosignatures of known keys.
        found: usize,
        /// Lines after the log's.
        lines: usize,
        /// k.
        needed: usize,
    },
    /// The leaf cannot be read, or belongs to another log.
    Leaf {
        /// What is wrong with it.
        cause: ProofError,
    },
    /// The leaf is not in the tree that was cosigned.
    Inclusion {
        /// The claimed place.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The response comes from another URL than the one asked for.
    Redirected,
    /// The proof answers another idempotency key.
    Key {
        /// Hash of client and key in the leaf.
        certified: Digest,
        /// The same of the own request; none if no usable key is known.
        own: Option<Digest>,
    },
    /// The proof answers another request.
    Request {
        /// What differs.
        cause: RequestMismatch,
    },
    /// Another status was received.
    Status {
        /// The leaf's.
        certified: u16,
        /// The wire's.
        received: u16,
    },
    /// Other header fields were received, or the proof's field block is another than the leaf's.
    Fields {
        /// What differs.
        cause: FieldsMismatch,
    },
    /// Another body was received.
    Body {
        /// Its certified length in bytes.
        certified_length: u64,
        /// Its certified digest.
        certified: Digest,
        /// The received length in bytes.
        received_length: u64,
        /// The received bytes' digest.
        received: Digest,
    },
    /// The answer is older than allowed.
    Stale {
        /// Its age in milliseconds.
        age_ms: u64,
        /// The largest age allowed.
        max_age_ms: u64,
    },
    /// The proof's log does not continue the one seen before, or seen later.
    Rollback {
        /// The size of the remembered tree.
        seen: u64,
        /// The size of the proof's tree.
        proof: u64,
    },
}

/// How the own request differs from the certified one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestMismatch {
    /// The digests differ.
    Digest {
        /// The leaf's.
        certified: Digest,
        /// Of the own request.
        rebuilt: Digest,
        /// The own request's signature base.
        base: String,
    },
    /// The own request has a field that must be covered, and the certified one has none.
    Uncovered {
        /// The field's name.
        name: String,
    },
    /// The own request has no such base, for instance because it lacks a covered field.
    Unbuildable {
        /// Why.
        cause: ProofError,
    },
}

/// How fields differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldsMismatch {
    /// The field block cannot be read.
    Block {
        /// What is wrong with it.
        cause: ProofError,
    },
    /// The field block is not the one that the leaf names.
    Digest {
        /// The leaf's.
        certified: Digest,
        /// Of the proof's field block.
        received: Digest,
    },
    /// A certified field has another value on the wire, or is missing there.
    Value {
        /// The field's name.
        name: String,
        /// The certified values.
        certified: Vec<String>,
        /// The received ones.
        received: Vec<String>,
    },
}

/// The parts of a message that stay the same for a kind of failure.
struct Advice {
    name: &'static str,
    meaning: &'static str,
    next: &'static str,
}

const RETRY_ELSEWHERE: &str =
    "send the same request with the same key to another gateway, and keep this response";

impl VerifyError {
    /// `E_…`, the same in every verifier and in `docs/proof-format.md`.
    pub fn name(&self) -> &'static str {
        self.advice().name
    }

    /// What the failure means for whoever asked.
    pub fn meaning(&self) -> &'static str {
        self.advice().meaning
    }

    /// What to do next.
    pub fn next_step(&self) -> &'static str {
        self.advice().next
    }

    /// What the replicas certified, where there is such a thing to show.
    pub fn certified(&self) -> Option<String> {
        match self {
            Self::Origin { policy, .. } => Some(format!("{policy} (the policy's)")),
            Self::Quorum { needed, .. } => Some(format!(
                "exactly {needed} cosignatures of distinct replicas are needed"
            )),
            Self::Key { certified, .. } => Some(format!("key hash {certified}")),
            Self::Request {
                cause: RequestMismatch::Digest { certified, .. },
            } => Some(format!("request sha-256 {certified}")),
            Self::Status { certified, .. } => Some(certified.to_string()),
            Self::Fields {
                cause: FieldsMismatch::Digest { certified, .. },
            } => Some(format!("field block sha-256 {certified}")),
            Self::Fields {
                cause:
                    FieldsMismatch::Value {
                        name, certified, ..
                    },
            } => Some(shown_values(name, certified)),
            Self::Body {
                certified_length,
                certified,
                ..
            } => Some(format!("{certified_length} bytes, sha-256 {certified}")),
            Self::Stale { max_age_ms, .. } => Some(format!("at most {max_age_ms} ms old")),
            Self::Rollback { seen, .. } => Some(format!("a tree of {seen} leaves, seen before")),
            _ => None,
        }
    }

    /// What was received instead.
    pub fn received(&self) -> Option<String> {
        match self {
            Self::NoProof { link } => link.as_ref().map(|link| format!("a link to {link}")),
            Self::ProofFormat { cause } | Self::Leaf { cause } => Some(cause.to_string()),
            Self::Origin { proof, .. } => Some(proof.to_string()),
            Self::Signature { name } => Some(format!("a signature line of {name}")),
            Self::Quorum { found, lines, .. } => {
                Some(format!("{lines} lines, {found} of them of known replicas"))
            }
            Self::Inclusion { index, size } => Some(format!("leaf {index} of {size}")),
            Self::Redirected => None,
            Self::Key { own, .. } => Some(own.map_or_else(
                || "no usable Idempotency-Key".to_owned(),
                |own| format!("key hash {own} (your request)"),
            )),
            Self::Request { cause } => Some(cause.to_string()),
            Self::Status { received, .. } => Some(received.to_string()),
            Self::Fields { cause } => Some(cause.received()),
            Self::Body {
                received_length,
                received,
                ..
            } => Some(format!("{received_length} bytes, sha-256 {received}")),
            Self::Stale { age_ms, .. } => Some(format!("{age_ms} ms old")),
            Self::Rollback { proof, .. } => Some(format!("an inconsistent tree of {proof} leaves")),
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::NoProof { .. } | Self::ProofFormat { .. } | Self::Origin { .. } => {
                self.advice_on_presence()
            }
            Self::Signature { .. }
            | Self::Quorum { .. }
            | Self::Leaf { .. }
            | Self::Inclusion { .. } => self.advice_on_certificate(),
            Self::Redirected | Self::Key { .. } | Self::Request { .. } => self.advice_on_request(),
            _ => self.advice_on_response(),
        }
    }

    fn advice_on_presence(&self) -> Advice {
        match self {
            Self::NoProof { link: Some(_) } => Advice {
                name: "E_NO_PROOF",
                meaning: "the proof was too long for a header and is behind the link",
                next: "fetch the linked proof from the same gateway and verify with it",
            },
            Self::NoProof { link: None } => Advice {
                name: "E_NO_PROOF",
                meaning: "the response says nothing about what the replicas agreed on; an error \
                          of the gateway itself (503, 504, 429) has no proof",
                next: "save headers and body (curl -si), or send the same request again with the \
                       same key",
            },
            Self::Origin { .. } => Advice {
                name: "E_ORIGIN",
                meaning: "the proof is of another service, or of another epoch of this one",
                next: "take the policy of that service and epoch from its operator, not from the \
                       gateway",
            },
            _ => Advice {
                name: "E_PROOF_FORMAT",
                meaning: "the proof was damaged or written by something else",
                next: RETRY_ELSEWHERE,
            },
        }
    }

    fn advice_on_certificate(&self) -> Advice {
        match self {
            Self::Signature { .. } => Advice {
                name: "E_SIGNATURE",
                meaning: "a signature does not fit the checkpoint: one of them was altered",
                next: RETRY_ELSEWHERE,
            },
            Self::Quorum { .. } => Advice {
                name: "E_QUORUM",
                meaning: "too few of the policy's replicas vouch for this answer",
                next: RETRY_ELSEWHERE,
            },
            Self::Leaf { .. } => Advice {
                name: "E_LEAF",
                meaning: "what was certified is no response of this service",
                next: RETRY_ELSEWHERE,
            },
            _ => Advice {
                name: "E_INCLUSION",
                meaning: "the replicas did not certify this leaf: it or its path was altered",
                next: RETRY_ELSEWHERE,
            },
        }
    }

    fn advice_on_request(&self) -> Advice {
        match self {
            Self::Redirected => Advice {
                name: "E_REDIRECTED",
                meaning: "the response belongs to a URL that was not asked for",
                next: "follow the redirect yourself, with a new key, if you trust its target",
            },
            Self::Key { .. } => Advice {
                name: "E_KEY",
                meaning: "the proof is of a request with another idempotency key or client",
                next: "verify with the key that was sent; if it was, this gateway replays answers",
            },
            _ => Advice {
                name: "E_REQUEST",
                meaning: "the replicas answered another request than yours",
                next: "compare method, URL, body and headers with what was sent; if they are \
                       right, the gateway altered the request",
            },
        }
    }

    fn advice_on_response(&self) -> Advice {
        match self {
            Self::Status { .. } => Advice {
                name: "E_STATUS",
                meaning: "the status was altered after the replicas certified it",
                next: RETRY_ELSEWHERE,
            },
            Self::Fields { .. } => Advice {
                name: "E_FIELDS",
                meaning: "header fields were altered after the replicas certified them",
                next: RETRY_ELSEWHERE,
            },
            Self::Stale { .. } => Advice {
                name: "E_STALE",
                meaning: "the answer is genuine but older than you allow",
                next: "send the request again with a new key",
            },
            Self::Rollback { .. } => Advice {
                name: "E_ROLLBACK",
                meaning: "the log was rolled back or shows different clients different pasts",
                next: "keep both checkpoints: together they convict their signers",
            },
            _ => Advice {
                name: "E_BODY",
                meaning: "the body was altered after the replicas certified it",
                next: RETRY_ELSEWHERE,
            },
        }
    }
}

impl FieldsMismatch {
    fn received(&self) -> String {
        match self {
            Self::Block { cause } => cause.to_string(),
            Self::Digest { received, .. } => format!("field block sha-256 {received}"),
            Self::Value { name, received, .. } => shown_values(name, received),
        }
    }
}

fn shown_values(name: &str, values: &[String]) -> String {
    if values.is_empty() {
        return format!("no {name}");
    }
    let shown: Vec<String> = values
        .iter()
        .map(|value| format!("{name}: {value}"))
        .collect();
    shown.join(" | ")
}

impl fmt::Display for RequestMismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { rebuilt, base, .. } => {
                let base = base.replace('\n', "\n    ");
                write!(
                    formatter,
                    "request sha-256 {rebuilt} (yours), that is of\n    {base}"
                )
            }
            Self::Uncovered { name } => {
                write!(
                    formatter,
                    "your request has `{name}`, the certified one has not"
                )
            }
            Self::Unbuildable { cause } => cause.fmt(formatter),
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}: {}", self.name(), self.meaning())?;
        if let Some(certified) = self.certified() {
            writeln!(formatter, "  certified: {certified}")?;
        }
        if let Some(received) = self.received() {
            writeln!(formatter, "  received:  {received}")?;
        }
        write!(formatter, "  next:      {}", self.next_step())
    }
}

impl std::error::Error for VerifyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_both_sides_and_the_next_step() {
        let error = VerifyError::Status {
            certified: 200,
            received: 500,
        };
        assert_eq!(
            error.to_string(),
            "E_STATUS: the status was altered after the replicas certified it\n  \
             certified: 200\n  received:  500\n  next:      send the same request with the same \
             key to another gateway, and keep this response"
        );
    }

    #[test]
    fn values_are_shown_by_name() {
        let certified = vec!["a".to_owned(), "b".to_owned()];
        let name = "x".to_owned();
        let cause = FieldsMismatch::Value {
            name,
            certified,
            received: Vec::new(),
        };
        let error = VerifyError::Fields { cause };
        assert_eq!(error.certified().as_deref(), Some("x: a | x: b"));
        assert_eq!(error.received().as_deref(), Some("no x"));
    }
}
