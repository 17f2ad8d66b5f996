//! Building and verifying proofs: what replicas sign, and how anyone checks it offline.
//!
//! Everything here is a function of its arguments: no files, sockets, clocks or randomness. Each
//! text has exactly one accepted form, so that no byte of a proof can be changed unnoticed.
//! The formats are specified in `docs/proof-format.md`; most are the transparency-log
//! community's (<https://c2sp.org>), so that stock verifiers accept them.

mod batch_leaf;
mod checkpoint;
mod cosignature;
mod decoding;
mod digest;
mod enrolment;
mod error;
mod fields;
mod header;
mod idempotency_key;
mod keys;
mod leaf;
mod membership;
mod note;
mod policy;
mod request_digest;
mod request_fields;
mod request_target;
mod service;
mod text;
mod tile;
mod tlog_proof;
pub mod tree;
mod verify;
mod verify_error;

pub use batch_leaf::BatchLeaf;
pub use checkpoint::Checkpoint;
pub use cosignature::{Cosignature, CosignerKey};
pub use digest::Digest;
pub use enrolment::{Enrolment, Possession};
pub use error::ProofError;
pub use fields::{Field, FieldBlock};
pub use header::{
    MAX_INLINE_BYTES, PROOF_HEADER, PROOF_RELATION, decode_header, encode_header, linked_proof,
    proof_link, proof_path,
};
pub use idempotency_key::IdempotencyKey;
pub use keys::{PublicKey, SecretKey, Signature};
pub use leaf::{Client, LeafKind, MAX_LEAF_BYTES, ResponseLeaf, key_hash};
pub use membership::{MAX_MEMBERS, Member, Membership, ReplicaId};
pub use note::{KeyId, LogKey, NoteSignature, SignedCheckpoint, SignedNote};
pub use policy::Policy;
pub use request_digest::{RequestBase, RequestParts};
pub use request_fields::RequestFields;
pub use request_target::split_url;
pub use service::{Origin, ServiceName};
pub use tile::Tile;
pub use tlog_proof::TlogProof;
pub use verify::{
    Conditions, Freshness, Headers, MaxAge, OwnRequest, ReceivedResponse, SeenCheckpoint, Verified,
    verify,
};
pub use verify_error::{FieldsMismatch, RequestMismatch, VerifyError};
