//! What can be wrong with a text, a key or a signature.

use crate::membership::ReplicaId;

/// Why bytes were refused as a proof, a policy, a membership or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A line of a text does not have its only accepted form.
    #[error("{format}, line {line}: expected {expected}")]
    Grammar {
        /// The kind of text, for instance `checkpoint`.
        format: &'static str,
        /// The line, counted from 1.
        line: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// A text is longer than its format allows.
    #[error("{format} of {length} bytes: at most {limit} are allowed")]
    TooLong {
        /// The kind of text.
        format: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The longest one allowed, in bytes.
        limit: usize,
    },
    /// Not the standard base64 (RFC 4648 §4, padded, no stray bits) of a fixed number of bytes.
    #[error("not the canonical base64 of {bytes} bytes")]
    Base64 {
        /// How many bytes it should have encoded.
        bytes: usize,
    },
    /// 32 bytes that are no usable Ed25519 public key: off the curve, of small order, or not the
    /// only encoding of their point.
    #[error("{key} is no usable Ed25519 public key: off the curve, small order or not canonical")]
    PublicKey {
        /// The refused bytes in base64.
        key: String,
    },
    /// A signature does not verify.
    #[error("the signature does not verify under key {key}")]
    Signature {
        /// The public key in base64.
        key: String,
    },
    /// A service name is not `<name>.<namespace>.<domain>` in lower-case DNS labels.
    #[error("`{name}` is not <name>.<namespace>.<domain> in lower-case DNS labels")]
    ServiceName {
        /// The refused name.
        name: String,
    },
    /// An origin is empty, too long, or has spaces, `+` or non-ASCII characters.
    #[error("`{origin}` is not a usable checkpoint origin")]
    Origin {
        /// The refused origin.
        origin: String,
    },
    /// Fewer than 3f+1 members.
    #[error("{members} members cannot tolerate {faults} faults: 3f+1 = {needed} are needed")]
    TooFewMembers {
        /// n.
        members: usize,
        /// f.
        faults: usize,
        /// 3f+1.
        needed: usize,
    },
    /// More members than a policy can name.
    #[error("{members} members: at most {limit} are supported")]
    TooManyMembers {
        /// n.
        members: usize,
        /// The largest n.
        limit: usize,
    },
    /// The reply quorum k is outside 2f+1 … min(15, n−f).
    #[error(
        "a reply quorum of {quorum} is outside {lowest} … {highest}, that is 2f+1 … min(15, n-f)"
    )]
    QuorumOutOfRange {
        /// k.
        quorum: usize,
        /// 2f+1.
        lowest: usize,
        /// min(15, n−f).
        highest: usize,
    },
    /// Members are not numbered 0, 1, 2, … in order.
    #[error("found replica {found} where replica {expected} belongs")]
    MemberOrder {
        /// The number that belongs there.
        expected: usize,
        /// The number found.
        found: ReplicaId,
    },
    /// One key appears twice in a membership or policy.
    #[error("replica {replica} brings key {key}, which another one has already")]
    DuplicateKey {
        /// The second holder.
        replica: ReplicaId,
        /// The key in base64.
        key: String,
    },
    /// A replica that the membership or policy does not know.
    #[error("replica {replica} is not a member")]
    UnknownReplica {
        /// The unknown replica.
        replica: ReplicaId,
    },
    /// Too few valid cosignatures for a proof.
    #[error("{found} cosignatures of distinct members, {needed} are needed")]
    TooFewCosignatures {
        /// How many there are.
        found: usize,
        /// How many there must be.
        needed: usize,
    },
    /// A checkpoint or leaf of another service, or of another epoch of this one.
    #[error("the origin is {found}, not {expected}")]
    ForeignOrigin {
        /// The origin that was expected.
        expected: String,
        /// The origin found.
        found: String,
    },
    /// A `Byzantine-Proof` value in any but its only form.
    #[error("the Byzantine-Proof value is not a canonical RFC 9651 Display String")]
    Header,
    /// Several `Byzantine-Proof` headers.
    #[error("{count} Byzantine-Proof headers: exactly one is expected")]
    RepeatedHeader {
        /// How many there are.
        count: usize,
    },
    /// A header field name that is not a lower-case token, or is not allowed where it stands.
    #[error("`{name}` is not an allowed field name here")]
    FieldName {
        /// The refused name.
        name: String,
    },
    /// A header field value with control characters.
    #[error("the value of field `{name}` holds a control character or outer white space")]
    FieldValue {
        /// The field's name.
        name: String,
    },
    /// An `Idempotency-Key` that is neither a structured-field string nor a bare key.
    #[error("the Idempotency-Key is neither a quoted string nor [A-Za-z0-9._~-]{{1,128}}")]
    IdempotencyKey,
    /// A method that is not an RFC 9110 token.
    #[error("`{method}` is not a request method")]
    Method {
        /// The refused method.
        method: String,
    },
    /// A path or query that cannot stand in a request line.
    #[error("`{target}` is not an absolute path or query in canonical form")]
    Target {
        /// The refused path or query.
        target: String,
    },
    /// A request lacks a header field that is to be covered.
    #[error("the request has no usable `{name}` header, which the certified request has")]
    MissingRequestField {
        /// The missing field's name.
        name: String,
    },
    /// Hashes that are no frontier of a tree of that size.
    #[error("{hashes} hashes cannot be the frontier of {size} leaves")]
    Frontier {
        /// Leaves in the tree.
        size: u64,
        /// Hashes offered.
        hashes: usize,
    },
}
