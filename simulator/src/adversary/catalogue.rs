//! All attacks by name: the catalogue of a research page, and some more.

use super::Attack;
use crate::random::Random;

/// Makes the enumeration, the names and the constructors from one table.
macro_rules! catalogue {
    ($($kind:ident $module:ident $name:literal;)*) => {
        /// Which attack.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum AttackKind {
            $(
                #[doc = concat!("The attack `", $name, "`; its file says what it does.")]
                $kind,
            )*
        }

        impl AttackKind {
            /// All attacks.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The word on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// The attack itself.
            pub fn attack(self) -> Box<dyn Attack> {
                match self {
                    $(Self::$kind => Box::new(super::$module::$kind::default()),)*
                }
            }
        }
    };
}

catalogue! {
    AlterReproposals alter_reproposals "alter-reproposals";
    BadCosignature bad_cosignature "bad-cosignature";
    BigMac big_mac "big-mac";
    BypassPrimary bypass_primary "bypass-primary";
    Censor censor "censor";
    ChargeAnother charge_another "charge-another";
    ChargeItself charge_itself "charge-itself";
    CommitUnprepared commit_unprepared "commit-unprepared";
    CorruptReply corrupt_reply "corrupt-reply";
    Counterfeit counterfeit "counterfeit";
    DoubleVote double_vote "double-vote";
    DripFeed drip_feed "drip-feed";
    DropReproposals drop_reproposals "drop-reproposals";
    DuplicateViewChanges duplicate_view_changes "duplicate-view-changes";
    Equivocate equivocate "equivocate";
    ExhaustSequences exhaust_sequences "exhaust-sequences";
    FalseEntries false_entries "false-entries";
    FalseHeight false_height "false-height";
    FalsePromise false_promise "false-promise";
    FloodRequests flood_requests "flood-requests";
    ForgedPrepared forged_prepared "forged-prepared";
    ForgedResolve forged_resolve "forged-resolve";
    ForgedViews forged_views "forged-views";
    FutureViews future_views "future-views";
    GarbageRelay garbage_relay "garbage-relay";
    HighWatermark high_watermark "high-watermark";
    HoardCertificates hoard_certificates "hoard-certificates";
    Impersonate impersonate "impersonate";
    InventRequest invent_request "invent-request";
    KeyTwice key_twice "key-twice";
    LostResults lost_results "lost-results";
    LyingGateway lying_gateway "lying-gateway";
    MixedCertificate mixed_certificate "mixed-certificate";
    Mute mute "mute";
    MutePrimary mute_primary "mute-primary";
    NearValid near_valid "near-valid";
    OmitCertificate omit_certificate "omit-certificate";
    PoisonedEntries poisoned_entries "poisoned-entries";
    PrepareBoth prepare_both "prepare-both";
    ProposeToSome propose_to_some "propose-to-some";
    ReorderClients reorder_clients "reorder-clients";
    RepeatRecent repeat_recent "repeat-recent";
    ReplayBatch replay_batch "replay-batch";
    ReplayOld replay_old "replay-old";
    ResolveTwice resolve_twice "resolve-twice";
    RetransmitStorm retransmit_storm "retransmit-storm";
    SilentResults silent_results "silent-results";
    SkipSequences skip_sequences "skip-sequences";
    SplitResults split_results "split-results";
    SpoiledRequests spoiled_requests "spoiled-requests";
    StaleCheckpoint stale_checkpoint "stale-checkpoint";
    Stall stall "stall";
    SuspectAlways suspect_always "suspect-always";
    TalkToSome talk_to_some "talk-to-some";
    UnaskedSupply unasked_supply "unasked-supply";
    Undecodable undecodable "undecodable";
    UnjustifiedResolve unjustified_resolve "unjustified-resolve";
    Usurp usurp "usurp";
    WhisperSuspicion whisper_suspicion "whisper-suspicion";
    WithholdBody withhold_body "withhold-body";
    WithholdNewView withhold_new_view "withhold-new-view";
    WrongRoot wrong_root "wrong-root";
    WrongTime wrong_time "wrong-time";
}

impl AttackKind {
    /// Those that came after seeds were recorded, drawn by a stream of their own.
    const LATER: &[Self] = &[
        Self::FalseEntries,
        Self::ForgedViews,
        Self::GarbageRelay,
        Self::RepeatRecent,
        Self::SpoiledRequests,
        Self::UnaskedSupply,
        Self::UnjustifiedResolve,
    ];

    /// The attack of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// What a seed says: `random` draws any of the older ones, and streams of its own now and then
    /// another instead, so that the rest of old seeds stays as it was.
    pub fn draw(seed: u64, random: &mut Random) -> Self {
        let older: Vec<Self> = Self::ALL
            .iter()
            .copied()
            .filter(|kind| kind.is_older())
            .collect();
        let drawn = if random.chance(120) {
            random.pick(&[Self::FloodRequests, Self::Impersonate, Self::Undecodable])
        } else {
            random.pick(&older)
        };
        let mut own = Random::new(seed, "attacks");
        match own.below(1000) {
            // These alone make a replica reject some of what it must reject.
            0..40 => Self::Undecodable,
            40..160 => own.pick(Self::LATER),
            _ => drawn,
        }
    }

    fn is_older(self) -> bool {
        !Self::LATER.contains(&self)
    }
}
