//! Bugs that the simulator must find: those of the core, those of the journal, and one of the
//! shell around them. A build without the feature `sabotage` has the names and no switches.

use byzantine_consensus::sabotage as core;
use byzantine_journal::sabotage as journal;

/// One built-in bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// In agreement.
    Core(core::Bug),
    /// In the journal.
    Journal(journal::Bug),
}

/// Whether this build has switches.
pub const POSSIBLE: bool = core::POSSIBLE && journal::POSSIBLE;

impl Bug {
    /// All bugs.
    pub fn all() -> Vec<Self> {
        let core = core::Bug::ALL.iter().map(|bug| Self::Core(*bug));
        core.chain(journal::Bug::ALL.iter().map(|bug| Self::Journal(*bug)))
            .collect()
    }

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core(bug) => bug.name(),
            Self::Journal(bug) => bug.name(),
        }
    }

    /// The bug of that name.
    ///
    /// # Errors
    /// All names, when there is none; or how to get a build with switches.
    pub fn parse(name: &str) -> Result<Self, String> {
        if !POSSIBLE {
            return Err("this build has no built-in bugs: cargo run --release \
                        -p byzantine-simulator --features sabotage -- sabotage"
                .to_owned());
        }
        let all = Self::all();
        let found = all.iter().copied().find(|bug| bug.name() == name);
        let names: Vec<&str> = all.iter().map(|bug| bug.name()).collect();
        found.ok_or_else(|| {
            format!(
                "no bug is called {name}; the names are {}",
                names.join(", ")
            )
        })
    }
}

/// Switches one bug on for this thread, or all off.
#[cfg(feature = "sabotage")]
pub fn switch(bug: Option<Bug>) {
    let (mut of_core, mut of_journal) = (None, None);
    match bug {
        Some(Bug::Core(bug)) => of_core = Some(bug),
        Some(Bug::Journal(bug)) => of_journal = Some(bug),
        None => {}
    }
    core::switch(of_core);
    journal::switch(of_journal);
}

/// There is nothing to switch.
#[cfg(not(feature = "sabotage"))]
pub const fn switch(_: Option<Bug>) {}
