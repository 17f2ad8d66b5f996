//! Bugs that are built in on purpose, so that the simulator can show that it would find them.
//!
//! There is no switch at all unless the feature `sabotage` is on, which no image is built with.

/// A bug that can be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A torn tail counts as damage.
    TornTailRefused,
    /// Damage counts as a torn tail.
    DamageSkipped,
    /// A group is not synced.
    SyncSkipped,
}

impl Bug {
    /// All bugs.
    pub const ALL: &'static [Self] = &[
        Self::TornTailRefused,
        Self::DamageSkipped,
        Self::SyncSkipped,
    ];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TornTailRefused => "torn-tail-refused",
            Self::DamageSkipped => "damage-skipped",
            Self::SyncSkipped => "sync-skipped",
        }
    }
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
