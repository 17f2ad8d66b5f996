//! Why a replica is not a member yet; each says what to do next.

use std::io;
use std::path::PathBuf;

use byzantine_proof::{ProofError, ReplicaId};
use http::StatusCode;

use crate::keystore::KeystoreError;
use crate::status::EnrolmentState;

/// Why a replica is not a member yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    /// The operator cannot be reached.
    #[error(
        "cannot reach the operator at {url}: {source}; is it running? a replica that was \
        enrolled before does not need it"
    )]
    Unreachable { url: String, source: io::Error },
    /// The connection to the operator broke.
    #[error("the connection to the operator at {url} broke: {source}")]
    Broken { url: String, source: hyper::Error },
    /// The authority's certificates cannot be used.
    #[error("cannot use the authority's certificates in {}: {source}; the operator writes them \
        to the service's ConfigMap, key ca.crt", path.display())]
    Authority {
        path: PathBuf,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The token cannot be read.
    #[error("cannot read the token {}: {source}; the kubelet writes it to the pod's projected \
        volume", path.display())]
    TokenUnreadable { path: PathBuf, source: io::Error },
    /// The token is not one of a pod.
    #[error("the token {} names no pod; it must be a projected service account token",
        path.display())]
    TokenUnbound { path: PathBuf },
    /// The operator refuses.
    #[error("the operator refuses this replica ({status}, {reason}): {detail}")]
    Refused {
        status: StatusCode,
        reason: String,
        detail: String,
    },
    /// The operator answered with something else than promised.
    #[error(
        "the operator at {url} answered {status} with {found}; are operator and sidecar of \
        one release?"
    )]
    Unexpected {
        url: String,
        status: StatusCode,
        found: &'static str,
    },
    /// The operator sent no membership.
    #[error(
        "the operator sent a membership that is not valid: {source}; are operator and \
        sidecar of one release?"
    )]
    Membership { source: ProofError },
    /// The membership is not one that this replica can work with.
    #[error("the membership in {} does not fit this replica: {what}; give the replica the volume \
        on which it was enrolled", path.display())]
    ForeignMembership { path: PathBuf, what: &'static str },
    /// The membership on the volume cannot be read.
    #[error("the membership {} is not valid: {source}; copy it unchanged from another replica",
        path.display())]
    MembershipDamaged { path: PathBuf, source: ProofError },
    /// A member's keys are gone.
    #[error("the keys of replica {replica} are not in {}, but it is a member and others rely on \
        its keys: restore them from a copy, or give the replica a new incarnation; nothing \
        replaces them in silence", directory.display())]
    KeysLost {
        directory: PathBuf,
        replica: ReplicaId,
    },
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeystoreError),
    /// The volume cannot be used.
    #[error("cannot use {} on the replica's volume: {source}; check that it is writable and has \
        room", path.display())]
    Volume { path: PathBuf, source: io::Error },
}

impl Obstacle {
    /// In one word.
    pub(super) fn state(&self) -> EnrolmentState {
        match self {
            Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::Authority { .. }
            | Self::TokenUnreadable { .. }
            | Self::TokenUnbound { .. } => EnrolmentState::Unreachable,
            Self::Refused { .. } | Self::Unexpected { .. } | Self::Membership { .. } => {
                EnrolmentState::Refused
            }
            Self::KeysLost { .. } => EnrolmentState::KeysLost,
            Self::ForeignMembership { .. }
            | Self::MembershipDamaged { .. }
            | Self::Keys(_)
            | Self::Volume { .. } => EnrolmentState::ForeignVolume,
        }
    }
}
