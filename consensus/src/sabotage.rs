//! Bugs that are built in on purpose, so that the simulator can show that it would find them.
//!
//! Each is a switch, off unless a simulation turns it on; and there is no switch at all unless
//! the feature `sabotage` is on, which no image is built with.

/// Makes the enumeration and the names from one table.
macro_rules! bugs {
    ($($bug:ident $name:literal $what:literal;)*) => {
        /// A bug that can be switched on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug {
            $(
                #[doc = $what]
                $bug,
            )*
        }

        impl Bug {
            /// All bugs.
            pub const ALL: &'static [Self] = &[$(Self::$bug),*];

            /// The word on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)*
                }
            }
        }
    };
}

bugs! {
    SmallQuorum "small-quorum"
        "Quorums of 2f+1, though n is not 3f+1: two of them share one liar.";
    PrimaryCountsTwice "primary-counts-twice"
        "The primary's PREPARE counts beside its PRE-PREPARE.";
    DuplicatesCount "duplicates-count"
        "One replica's vote counts as often as it stands in a certificate.";
    SenderUnchecked "sender-unchecked"
        "The signature is not checked against the sender that a message claims.";
    CertificateUnchecked "certificate-unchecked"
        "Votes in a certificate may be for anything.";
    PreparedDropped "prepared-dropped"
        "A VIEW-CHANGE leaves out what prepared.";
    LowestStableStarts "lowest-stable-starts"
        "A new view starts at the lowest stable checkpoint, rather than the highest.";
    InvalidViewChangeKept "invalid-view-change-kept"
        "An invalid VIEW-CHANGE takes the place of a valid one.";
    AncientViewChange "ancient-view-change"
        "A NEW-VIEW may rest on VIEW-CHANGEs of other views.";
    LowerViewPreferred "lower-view-preferred"
        "Of two prepared certificates the one of the lower view wins.";
    GapsStayOpen "gaps-stay-open"
        "A new view does not fill gaps with null batches.";
    VoteBeforeSync "vote-before-sync"
        "Votes leave before they are durable.";
    VotesForgotten "votes-forgotten"
        "After a restart votes are cast anew.";
    DecidedRunsAgain "decided-runs-again"
        "A request that was answered runs again.";
    AbandonedRuns "abandoned-runs"
        "What was proposed last runs, rather than what was committed.";
    AdoptedTwice "adopted-twice"
        "What a peer supplies is settled though it is settled already.";
    EarlyCommitRefused "early-commit-refused"
        "A proposal is refused once any COMMIT for its sequence has come, of whatever view.";
    StableAtWeak "stable-at-weak"
        "f+1 cosignatures make a certificate.";
    KeysForgotten "keys-forgotten"
        "The key table is not taken up after a restart.";
    SkewDeclined "skew-declined"
        "A proposal that is early for this replica's watermark is declined, not held.";
    TimerNeverDoubles "timer-never-doubles"
        "Timeouts stay as short as they are, however slow the network is.";
    HigherViewIgnored "higher-view-ignored"
        "A valid VIEW-CHANGE for a higher view moves nobody.";
    MalformedPanics "malformed-panics"
        "Bytes that are no message stop the process.";
    OneLess "one-less"
        "A certificate has one cosignature too few.";
    OrderByName "order-by-name"
        "Some replicas run a batch in another order.";
    WindowUnbounded "window-unbounded"
        "Votes for any sequence are kept, however far away.";
    PromiseBroken "promise-broken"
        "Who promised settles by RESULTs all the same.";
    FewPromises "few-promises"
        "One PROMISE fewer than n-f justifies a RESOLVE.";
    ResolveUnchecked "resolve-unchecked"
        "A RESOLVE is ordered and executed whatever it rests on.";
    WeakLeafIgnored "weak-leaf-ignored"
        "A RESOLVE gives a verdict though f+1 promised one leaf.";
    LastResolveWins "last-resolve-wins"
        "A later RESOLVE of a sequence replaces the first.";
    AbstainerVotes "abstainer-votes"
        "A replica that lost its votes goes on voting.";
    ShortAbstention "short-abstention"
        "Abstaining ends as soon as its bound is known.";
    QuotaIgnored "quota-ignored"
        "A gateway may have any number of requests abroad.";
    ReuseRuns "reuse-runs"
        "A used key does not keep another request from running.";
    TimeUnchecked "time-unchecked"
        "A primary may propose any time.";
    SizesFall "sizes-fall"
        "A smaller size is attested after a larger one.";
    OutcomesForgotten "outcomes-forgotten"
        "Outcomes in the log are not used after a restart.";
    DoneReturns "done-returns"
        "A request that ran enters the pool again.";
    OneVoteOnly "one-vote-only"
        "The other vote of one who contradicts himself never counts.";
    WatermarkMissed "watermark-missed"
        "A checkpoint that a later certificate settled never becomes stable.";
    SuspectsOnce "suspects-once"
        "A replica names one late request a view, though others are late when that was answered.";
    AnsweredWaits "answered-waits"
        "A request that was answered runs a clock while a batch names it again.";
    AbandonedNames "abandoned-names"
        "What a batch of an earlier view names is never proposed again.";
    RefusedForgotten "refused-forgotten"
        "Who restarted waits for ever for a request that was refused.";
    OwnViewIgnored "own-view-ignored"
        "A primary without memory does not take up the view that it opened.";
    NeverRelayed "never-relayed"
        "A late request is not given to the primary by those who know it.";
    RangeReversed "range-reversed"
        "A primary whose next sequence is below what is settled stops.";
    RanStaysNamed "ran-stays-named"
        "What a new view proposes again though it ran is not proposed afresh.";
    BoundStaysShort "bound-stays-short"
        "A proposal's age is judged without patience, however slow the network is.";
    ResetAtOnce "reset-at-once"
        "Any progress resets the timeouts, also where they were too short for it.";
    ChargedToPrimary "charged-to-primary"
        "A primary charges itself for every key, and nobody asks for its word.";
    WordUnchecked "word-unchecked"
        "Nobody asks for the word of the gateway that a batch charges.";
    WordsKept "words-kept"
        "A gateway's word counts for ever, though keys are forgotten.";
    QuotaKept "quota-kept"
        "A forgotten key goes on using its gateway's quota.";
    LimitForAll "limit-for-all"
        "The limit of one gateway ends a request that others vouch for too.";
    LimitRemembered "limit-remembered"
        "A key that was refused for want of room counts as used.";
    TimeGoesBack "time-goes-back"
        "Executed time may go back.";
}

/// Whether this build has switches. No image may.
pub const POSSIBLE: bool = cfg!(feature = "sabotage");

#[cfg(feature = "sabotage")]
thread_local! {
    static SWITCHED_ON: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Switches one bug on for this thread, or all off.
#[cfg(feature = "sabotage")]
pub fn switch(bug: Option<Bug>) {
    SWITCHED_ON.set(bug);
}

/// Whether a bug is switched on.
#[cfg(feature = "sabotage")]
pub(crate) fn is_on(bug: Bug) -> bool {
    SWITCHED_ON.get() == Some(bug)
}

/// Whether a bug is switched on: never.
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn is_on(_: Bug) -> bool {
    false
}
