//! The words by which Conditions say why: each is an entry of the runbook.

/// An enumeration whose variants' names are its texts, with a list of all of them.
macro_rules! reasons {
    ($($(#[doc = $means:literal])+ $name:ident,)+) => {
        /// Why a Condition is as it is, in one word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $means])+ $name,)+
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As it stands in a Condition.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    /// Enough replicas take requests.
    Serving,
    /// The replicas are making themselves known.
    Enrolling,
    /// Too few replicas are ready.
    QuorumLost,
    /// An object of a name that is needed belongs to something else.
    NameConflict,
    /// The spec breaks a rule.
    InvalidSpec,
    /// An image cannot be had.
    ImagePullFailed,
    /// The app does not answer its health check.
    AppUnhealthy,
    /// No node takes a pod.
    Unschedulable,
    /// A quorum takes part, and more may fail.
    QuorumHealthy,
    /// A quorum takes part, and no more may fail.
    BudgetSpent,
    /// No quorum takes part.
    TooFewReplicas,
    /// Every replica runs what the spec asks for.
    UpToDate,
    /// A replica is being replaced.
    RollingOut,
    /// A replica must have what it missed before the next one goes.
    WaitingForCatchUp,
    /// A change does not come in.
    Stalled,
    /// The user stopped changes.
    Paused,
    /// No replica is less than it should be.
    AllHealthy,
    /// A replica takes no part.
    ReplicaDown,
    /// A replica takes part and is behind.
    ReplicaLagging,
    /// A replica's app answers differently.
    ReplicaDiverged,
    /// A replica signed a contradiction.
    ReplicaConvicted,
    /// A ledger's volume has no room.
    LedgerFull,
    /// Every replica is known by its keys.
    AllPinned,
    /// A replica's keys are not known yet.
    WaitingForReplica,
    /// A replica has no longer the keys that it is known by.
    KeyChanged,
    /// A replica's volume is another's.
    ForeignVolume,
    /// No answer differed.
    NoDivergence,
    /// An answer differed from the settled one.
    Diverged,
    /// No answer was given by a quorum.
    NoQuorumAnswer,
    /// No accident takes more replicas than may fail.
    Spread,
    /// Too many replicas are on one node.
    SharedNode,
    /// Too many replicas are in one zone.
    SharedZone,
    /// An image's name may come to mean another image.
    ImageNotPinned,
    /// Replicas run different images under one name.
    ImageMismatch,
}
