//! Building and verifying proofs: what replicas sign, and how anyone checks it offline.
//!
//! Everything here is a function of its arguments: no files, sockets, clocks or randomness. Each
//! text has exactly one accepted form, so that no byte of a proof can be changed unnoticed.
//! The formats are specified in `docs/proof-format.md`; most are the transparency-log
//! community's (<https://c2sp.org>), so that stock verifiers accept them.

mod batch_leaf;
mod checkpoint;
mod cosignature;
mod digest;
mod error;
mod fields;
mod idempotency_key;
mod keys;
mod leaf;
mod membership;
mod note;
mod request_digest;
mod request_fields;
mod service;
mod text;
pub mod tree;

pub use batch_leaf::BatchLeaf;
pub use checkpoint::Checkpoint;
pub use cosignature::{Cosignature, CosignerKey};
pub use digest::Digest;
pub use error::ProofError;
pub use fields::{Field, FieldBlock};
pub use idempotency_key::IdempotencyKey;
pub use keys::{PublicKey, SecretKey, Signature};
pub use leaf::{Client, LeafKind, MAX_LEAF_BYTES, ResponseLeaf, key_hash};
pub use membership::{MAX_MEMBERS, Member, Membership, ReplicaId};
pub use note::{KeyId, LogKey, NoteSignature, SignedCheckpoint, SignedNote};
pub use request_digest::{RequestBase, RequestParts};
pub use request_fields::RequestFields;
pub use service::{Origin, ServiceName};
