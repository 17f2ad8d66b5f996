//! What a peer did wrong, as a value: counted and shown, never fatal.

use thiserror::Error;

/// Why a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Rejection {
    /// The signature does not verify.
    #[error("a signature that does not verify")]
    Signature,
    /// The bytes are no message.
    #[error("bytes that are no message")]
    Malformed,
    /// More items than the limit.
    #[error("more items than the limit allows")]
    TooMany,
    /// The sequence is outside the window, or long settled.
    #[error("a sequence outside the window")]
    OutsideWindow,
    /// The view is not the current one.
    #[error("a vote for another view")]
    WrongView,
    /// Only the primary of the view may say this.
    #[error("a message that only the primary may send")]
    NotPrimary,
    /// Two different votes for one phase, view and sequence.
    #[error("two different votes where only one is allowed")]
    Equivocation,
    /// A new view's proposal is not what its VIEW-CHANGEs demand.
    #[error("a proposal that contradicts its new view")]
    NotReproposed,
    /// A certificate lacks valid votes of enough distinct replicas.
    #[error("a certificate without a quorum")]
    Certificate,
    /// A cosignature does not verify.
    #[error("a cosignature that does not verify")]
    Cosignature,
    /// The root differs from what was settled here.
    #[error("a root that differs from the settled one")]
    WrongRoot,
    /// The proposed time is too far from this replica's clock.
    #[error("a proposed time outside the clock bound")]
    Clock,
    /// A request is malformed.
    #[error("a request that is not valid")]
    Request,
    /// The gateway has too many unexecuted requests abroad.
    #[error("more unexecuted requests than a gateway may have")]
    Quota,
    /// Supplied data is not what was asked for.
    #[error("supplied data that does not match its digest")]
    Supply,
}

impl Rejection {
    /// Every kind, for metrics that must exist before the first count.
    pub const ALL: [Self; 15] = [
        Self::Signature,
        Self::Malformed,
        Self::TooMany,
        Self::OutsideWindow,
        Self::WrongView,
        Self::NotPrimary,
        Self::Equivocation,
        Self::NotReproposed,
        Self::Certificate,
        Self::Cosignature,
        Self::WrongRoot,
        Self::Clock,
        Self::Request,
        Self::Quota,
        Self::Supply,
    ];

    /// The label in `byzantine_rejections_total{kind}`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Malformed => "malformed",
            Self::TooMany => "too_many",
            Self::OutsideWindow => "outside_window",
            Self::WrongView => "wrong_view",
            Self::NotPrimary => "not_primary",
            Self::Equivocation => "equivocation",
            Self::NotReproposed => "not_reproposed",
            Self::Certificate => "certificate",
            Self::Cosignature => "cosignature",
            Self::WrongRoot => "wrong_root",
            Self::Clock => "clock",
            Self::Request => "request",
            Self::Quota => "quota",
            Self::Supply => "supply",
        }
    }

    /// Whether no correct replica ever causes it, so that its sender may be named.
    pub const fn convicts(self) -> bool {
        matches!(
            self,
            Self::Signature
                | Self::Malformed
                | Self::TooMany
                | Self::NotPrimary
                | Self::Equivocation
                | Self::NotReproposed
                | Self::Certificate
                | Self::Cosignature
                | Self::Request
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_named_for_what_a_slow_link_brings_about() {
        let convicting = [Rejection::Signature, Rejection::Equivocation];
        assert!(convicting.into_iter().all(Rejection::convicts));
        let labels = convicting.map(Rejection::label);
        assert_eq!(labels, ["signature", "equivocation"]);
        let innocent = [Rejection::WrongView, Rejection::Quota, Rejection::Clock];
        assert!(!innocent.into_iter().any(Rejection::convicts));
    }
}
