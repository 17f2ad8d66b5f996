//! The verification: from a policy and a response to what the replicas certified.
//!
//! The checks run in the order of `docs/proof-format.md`, and the first that fails gives the
//! error. What comes out is the certified response; the wire's is never handed on.

use crate::checkpoint::Checkpoint;
use crate::cosignature::Cosignature;
use crate::decoding::decode;
use crate::digest::Digest;
use crate::error::ProofError;
use crate::fields::{Field, FieldBlock, trim};
use crate::header::{PROOF_HEADER, decode_header, linked_proof, proof_link};
use crate::idempotency_key::IdempotencyKey;
use crate::leaf::{Client, ResponseLeaf, key_hash};
use crate::membership::ReplicaId;
use crate::note::{LogKey, SignedNote};
use crate::policy::Policy;
use crate::request_digest::RequestParts;
use crate::request_fields::RequestFields;
use crate::request_target::split_url;
use crate::tlog_proof::TlogProof;
use crate::tree;
use crate::verify_error::{FieldsMismatch, RequestMismatch, VerifyError};

/// Certified fields that proxies and gateways rightly change on the way.
const MAY_DIFFER: [&str; 2] = ["content-encoding", "vary"];

/// Names and raw values of header fields, in order.
pub type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// A response as it came from the wire, without framing.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedResponse<'a> {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Headers<'a>,
    /// The content, still encoded if `Content-Encoding` says so.
    pub body: &'a [u8],
}

/// The request that the verifier itself sent.
#[derive(Debug, Clone, Copy)]
pub struct OwnRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The URL or the absolute path.
    pub url: &'a str,
    /// All header fields sent; those that the certified request does not cover are ignored.
    pub headers: Headers<'a>,
    /// The content, empty if there was none.
    pub body: &'a [u8],
    /// The idempotency key sent; none if the gateway was left to make one.
    pub key: Option<&'a IdempotencyKey>,
    /// Who signed the request.
    pub client: Client,
}

/// How old an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAge {
    /// The verifier's clock, in milliseconds since 1970.
    pub now_ms: u64,
    /// The largest age allowed, in milliseconds.
    pub max_age_ms: u64,
}

/// The largest checkpoint seen before, and the proof that one tree continues the other.
#[derive(Debug, Clone, Copy)]
pub struct SeenCheckpoint<'a> {
    /// What was seen.
    pub checkpoint: &'a Checkpoint,
    /// The RFC 6962 consistency proof from the smaller to the larger of the two trees.
    pub path: &'a [Digest],
}

/// What a verifier knows and demands besides the policy; each is optional.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditions<'a> {
    /// The own request; without it the proof may answer any request.
    pub request: Option<OwnRequest<'a>>,
    /// The proof's text, if it was fetched or stored apart from the headers.
    pub proof: Option<&'a str>,
    /// Whether the response's final URL is another than the one asked for.
    pub redirected: bool,
    /// How old the answer may be.
    pub max_age: Option<MaxAge>,
    /// What was seen before.
    pub seen: Option<SeenCheckpoint<'a>>,
}

/// What the proof says about when the answer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The own request was not given: the answer may be to any request, at the certified time.
    Unbound,
    /// The gateway chose the key: it may have answered from an earlier, equal request.
    GatewayKey,
    /// The key was the verifier's: if it is unique, the answer is younger than the request.
    OwnKey,
}

/// What the replicas certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The leaf: sequence, time, kind and status.
    pub leaf: ResponseLeaf,
    /// The certified header fields, sorted by name.
    pub fields: Vec<Field>,
    /// The certified body, content codings undone.
    pub body: Vec<u8>,
    /// The leaf's place in the log.
    pub position: u64,
    /// The cosigned tree head.
    pub checkpoint: Checkpoint,
    /// Who cosigned it, ascending.
    pub signers: Vec<ReplicaId>,
    /// What is known about when the answer was made.
    pub freshness: Freshness,
}

/// Verifies a response.
///
/// # Errors
/// The first check that fails, in the order of the enum's variants.
pub fn verify(
    policy: &Policy,
    received: &ReceivedResponse<'_>,
    conditions: &Conditions<'_>,
) -> Result<Verified, VerifyError> {
    let proof = read_proof(received, conditions)?;
    let signers = check_signatures(policy, &proof.note)?;
    let leaf = check_leaf(policy, &proof)?;
    let block = check_block(&leaf, &proof)?;
    if conditions.redirected {
        return Err(VerifyError::Redirected);
    }
    let freshness = match &conditions.request {
        None => Freshness::Unbound,
        Some(own) => check_request(own, received, &leaf, block.request_fields())?,
    };
    check_status(&leaf, received)?;
    check_fields(&leaf, &block, received.headers)?;
    let body = check_body(&leaf, received)?;
    check_age(&leaf, conditions.max_age)?;
    let checkpoint = proof.note.checkpoint;
    check_continuity(&checkpoint, conditions.seen)?;
    let (fields, position) = (block.fields().to_vec(), proof.index);
    Ok(Verified {
        leaf,
        fields,
        body,
        position,
        checkpoint,
        signers,
        freshness,
    })
}

fn values<'a>(headers: Headers<'a>, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let named = headers
        .iter()
        .filter(move |(other, _)| other.eq_ignore_ascii_case(name));
    named.map(|(_, value)| trim(value))
}

fn read_proof(
    received: &ReceivedResponse<'_>,
    conditions: &Conditions<'_>,
) -> Result<TlogProof, VerifyError> {
    let refused = |cause| VerifyError::ProofFormat { cause };
    if let Some(text) = conditions.proof {
        return TlogProof::parse(text).map_err(refused);
    }
    let headers: Vec<&[u8]> = values(received.headers, PROOF_HEADER).collect();
    match headers[..] {
        [] => {
            let link = values(received.headers, "link").find_map(linked_proof);
            Err(VerifyError::NoProof {
                link: link.map(str::to_owned),
            })
        }
        [value] => decode_header(value)
            .and_then(|text| TlogProof::parse(&text))
            .map_err(refused),
        _ => Err(refused(ProofError::RepeatedHeader {
            count: headers.len(),
        })),
    }
}

fn check_signatures(policy: &Policy, note: &SignedNote) -> Result<Vec<ReplicaId>, VerifyError> {
    let checkpoint = &note.checkpoint;
    if &checkpoint.origin != policy.origin() {
        let (policy, proof) = (policy.origin().clone(), checkpoint.origin.clone());
        return Err(VerifyError::Origin { policy, proof });
    }
    let mut lines = note.signatures.iter();
    let log = lines.next();
    if !log.is_some_and(|line| LogKey::derive(policy.origin()).verifies(line, checkpoint)) {
        let name = log.map(|line| line.name.clone()).unwrap_or_default();
        return Err(VerifyError::Signature { name });
    }
    let (lines, needed, mut signers) = (lines.as_slice(), policy.quorum(), Vec::new());
    for line in lines {
        // The line of an unknown key says nothing; it is missing in the count below.
        let Some(key) = policy.claimed(line) else {
            continue;
        };
        let bytes = line.bytes.as_slice().try_into().ok();
        let cosignature = bytes.and_then(Cosignature::from_bytes);
        let valid = |cosigned: Cosignature| cosigned.verify(key.public_key(), checkpoint).is_ok();
        if !cosignature.is_some_and(valid) {
            return Err(VerifyError::Signature {
                name: line.name.clone(),
            });
        }
        signers.push(key.replica());
    }
    let ascending = signers.is_sorted_by(|left, right| left < right);
    if ascending && signers.len() == needed && lines.len() == needed {
        return Ok(signers);
    }
    signers.sort_unstable();
    signers.dedup();
    Err(VerifyError::Quorum {
        found: signers.len(),
        lines: lines.len(),
        needed,
    })
}

fn check_leaf(policy: &Policy, proof: &TlogProof) -> Result<ResponseLeaf, VerifyError> {
    let leaf = ResponseLeaf::parse(&proof.leaf).map_err(|cause| VerifyError::Leaf { cause })?;
    if &leaf.origin != policy.origin() {
        let (expected, found) = (policy.origin().to_string(), leaf.origin.to_string());
        let cause = ProofError::ForeignOrigin { expected, found };
        return Err(VerifyError::Leaf { cause });
    }
    let (index, size, root) = (
        proof.index,
        proof.note.checkpoint.size,
        proof.note.checkpoint.root,
    );
    if tree::verify_inclusion(leaf.hash(), index, size, &proof.path, root) {
        Ok(leaf)
    } else {
        Err(VerifyError::Inclusion { index, size })
    }
}

/// The field block is read only once it is known to be the one that the leaf names.
fn check_block(leaf: &ResponseLeaf, proof: &TlogProof) -> Result<FieldBlock, VerifyError> {
    let refused = |cause| VerifyError::Fields { cause };
    let (certified, received) = (leaf.fields, Digest::of(proof.fields.as_bytes()));
    if certified != received {
        return Err(refused(FieldsMismatch::Digest {
            certified,
            received,
        }));
    }
    FieldBlock::parse(&proof.fields).map_err(|cause| refused(FieldsMismatch::Block { cause }))
}

fn check_request(
    own: &OwnRequest<'_>,
    received: &ReceivedResponse<'_>,
    leaf: &ResponseLeaf,
    covered: &RequestFields,
) -> Result<Freshness, VerifyError> {
    let returned = returned_key(received);
    let key = own.key.or(returned.as_ref());
    let hash = key.map(|key| key_hash(&own.client, key));
    let (Some(key), true) = (key, hash == Some(leaf.key)) else {
        return Err(VerifyError::Key {
            certified: leaf.key,
            own: hash,
        });
    };
    check_covered(own, key, leaf, covered).map_err(|cause| VerifyError::Request { cause })?;
    Ok(if own.key.is_some() {
        Freshness::OwnKey
    } else {
        Freshness::GatewayKey
    })
}

/// The key that the gateway says it made; the leaf's hash shows whether that is true.
fn returned_key(received: &ReceivedResponse<'_>) -> Option<IdempotencyKey> {
    let value = values(received.headers, "idempotency-key").next()?;
    IdempotencyKey::parse(std::str::from_utf8(value).ok()?).ok()
}

fn check_covered(
    own: &OwnRequest<'_>,
    key: &IdempotencyKey,
    leaf: &ResponseLeaf,
    covered: &RequestFields,
) -> Result<(), RequestMismatch> {
    let present = own.headers.iter().map(|(name, _)| *name);
    let always = RequestFields::of_request(&RequestFields::default(), present);
    if let Some(name) = always.missing_from(covered) {
        return Err(RequestMismatch::Uncovered {
            name: name.to_owned(),
        });
    }
    let unbuildable = |cause| RequestMismatch::Unbuildable { cause };
    let target = split_url(own.url).ok_or_else(|| ProofError::Target {
        target: own.url.to_owned(),
    });
    let (path, query) = target.map_err(unbuildable)?;
    let OwnRequest {
        method,
        body,
        headers,
        ..
    } = *own;
    let parts = RequestParts {
        method,
        path,
        query,
        key,
        body,
        headers,
    };
    let base = parts.base_over(covered.clone()).map_err(unbuildable)?;
    if base.digest == leaf.request {
        return Ok(());
    }
    let (certified, rebuilt) = (leaf.request, base.digest);
    Err(RequestMismatch::Digest {
        certified,
        rebuilt,
        base: base.text,
    })
}

fn check_status(leaf: &ResponseLeaf, received: &ReceivedResponse<'_>) -> Result<(), VerifyError> {
    let (certified, received) = (leaf.status, received.status);
    if certified == received {
        Ok(())
    } else {
        Err(VerifyError::Status {
            certified,
            received,
        })
    }
}

fn check_fields(
    leaf: &ResponseLeaf,
    block: &FieldBlock,
    headers: Headers<'_>,
) -> Result<(), VerifyError> {
    let mut names: Vec<&str> = block
        .fields()
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    names.dedup();
    let own_link = proof_link(&leaf.key);
    for name in names.into_iter().filter(|name| !MAY_DIFFER.contains(name)) {
        // The link to the proof is the gateway's, and stands beside the app's links.
        let from_app = |value: &&[u8]| name != "link" || *value != own_link.as_bytes();
        let certified: Vec<&[u8]> = block.values(name).filter(from_app).collect();
        let received: Vec<&[u8]> = values(headers, name).filter(from_app).collect();
        if !same_values(name, &certified, &received) {
            let (name, certified, received) =
                (name.to_owned(), shown(&certified), shown(&received));
            let cause = FieldsMismatch::Value {
                name,
                certified,
                received,
            };
            return Err(VerifyError::Fields { cause });
        }
    }
    Ok(())
}

/// Proxies may join the lines of a field (RFC 9110 §5.3), cookies excepted, and weaken an `ETag`.
fn same_values(name: &str, certified: &[&[u8]], received: &[&[u8]]) -> bool {
    if name == "set-cookie" || received.is_empty() || certified.is_empty() {
        return certified == received;
    }
    let (certified, received) = (certified.join(&b", "[..]), received.join(&b", "[..]));
    let weakened = name == "etag" && received.strip_prefix(b"W/") == Some(certified.as_slice());
    certified == received || weakened
}

fn shown(values: &[&[u8]]) -> Vec<String> {
    values
        .iter()
        .map(|value| value.escape_ascii().to_string())
        .collect()
}

fn check_body(
    leaf: &ResponseLeaf,
    received: &ReceivedResponse<'_>,
) -> Result<Vec<u8>, VerifyError> {
    let certified =
        |body: &[u8]| body.len() as u64 == leaf.content_length && Digest::of(body) == leaf.content;
    if certified(received.body) {
        return Ok(received.body.to_vec());
    }
    let codings: Vec<&[u8]> = values(received.headers, "content-encoding").collect();
    let codings = String::from_utf8(codings.join(&b", "[..])).unwrap_or_default();
    let decoded = decode(&codings, received.body, leaf.content_length);
    decoded
        .filter(|body| certified(body))
        .ok_or_else(|| VerifyError::Body {
            certified_length: leaf.content_length,
            certified: leaf.content,
            received_length: received.body.len() as u64,
            received: Digest::of(received.body),
        })
}

fn check_age(leaf: &ResponseLeaf, max_age: Option<MaxAge>) -> Result<(), VerifyError> {
    let Some(MaxAge { now_ms, max_age_ms }) = max_age else {
        return Ok(());
    };
    // A verifier's clock may lag behind the replicas': a time to come is not old.
    let age_ms = now_ms.saturating_sub(leaf.time_ms);
    if age_ms <= max_age_ms {
        Ok(())
    } else {
        Err(VerifyError::Stale { age_ms, max_age_ms })
    }
}

fn check_continuity(
    checkpoint: &Checkpoint,
    seen: Option<SeenCheckpoint<'_>>,
) -> Result<(), VerifyError> {
    let Some(SeenCheckpoint {
        checkpoint: seen,
        path,
    }) = seen
    else {
        return Ok(());
    };
    let (old, new) = if seen.size <= checkpoint.size {
        (seen, checkpoint)
    } else {
        (checkpoint, seen)
    };
    let same_log = seen.origin == checkpoint.origin;
    if same_log && tree::verify_consistency(old.size, old.root, new.size, new.root, path) {
        Ok(())
    } else {
        Err(VerifyError::Rollback {
            seen: seen.size,
            proof: checkpoint.size,
        })
    }
}
