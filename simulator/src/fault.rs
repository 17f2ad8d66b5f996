//! What can go wrong in a world. Each kind is present in a run or absent from it, as its seed
//! says (swarm testing: Groce et al., ISSTA'12), and each can be left out by hand.

use std::fmt;

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fault {
    /// Frames are lost.
    Loss,
    /// Frames arrive twice.
    Duplicate,
    /// Frames overtake one another.
    Reorder,
    /// Some frames take very long.
    Tail,
    /// Frames are damaged on the way; the link notices, and breaks.
    Corrupt,
    /// The network falls into two parts.
    Partition,
    /// One direction of a link is cut.
    OneWay,
    /// A process is killed: what it wrote is kept.
    Kill,
    /// A machine loses power: what was not synced may be lost, sector by sector.
    Power,
    /// All machines lose power at once.
    Blackout,
    /// A disk operation fails, and with it the process.
    DiskError,
    /// A synced bit flips. Counted as a fault of its replica.
    FlippedBit,
    /// A synced sector lands elsewhere. Counted as a fault of its replica.
    Misdirected,
    /// A disk comes back empty. Counted as a fault of its replica.
    BlankDisk,
    /// A disk comes back as it was earlier. Counted as a fault of its replica.
    Rollback,
    /// Wall clocks differ.
    Skew,
    /// A wall clock leaps.
    Leap,
    /// A replica stands still for a while.
    Pause,
    /// An app dies before a call.
    AppBefore,
    /// An app dies after it ran a call, before it answered.
    AppAfter,
    /// An app dies after its answer was noted.
    AppRecorded,
    /// An app is slow.
    SlowApp,
    /// A client repeats its request at other gateways.
    Retry,
    /// A client uses a key again for another request.
    KeyReuse,
    /// Some replicas lie.
    Liar,
    /// A liar is two replicas with one key.
    Twin,
    /// A liar's messages are altered a little.
    Mutation,
    /// Apps answer differently on each replica.
    OddApp,
    /// Some correct replicas stay down after the healing, as many as may.
    Remain,
    /// Messages of one kind do not reach some replicas for a while.
    Sieve,
    /// Gateways may have so few keys remembered that clients are refused.
    FewKeys,
    /// So much time passes at once that keys are forgotten: those that gateways made, or all.
    DaysPass,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 32] = [
        Self::Loss,
        Self::Duplicate,
        Self::Reorder,
        Self::Tail,
        Self::Corrupt,
        Self::Partition,
        Self::OneWay,
        Self::Kill,
        Self::Power,
        Self::Blackout,
        Self::DiskError,
        Self::FlippedBit,
        Self::Misdirected,
        Self::BlankDisk,
        Self::Rollback,
        Self::Skew,
        Self::Leap,
        Self::Pause,
        Self::AppBefore,
        Self::AppAfter,
        Self::AppRecorded,
        Self::SlowApp,
        Self::Retry,
        Self::KeyReuse,
        Self::Liar,
        Self::Twin,
        Self::Mutation,
        Self::OddApp,
        Self::Remain,
        Self::Sieve,
        Self::FewKeys,
        Self::DaysPass,
    ];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Tail => "tail",
            Self::Corrupt => "corrupt",
            Self::Partition => "partition",
            Self::OneWay => "one-way",
            Self::Kill => "kill",
            Self::Power => "power",
            Self::Blackout => "blackout",
            Self::DiskError => "disk-error",
            Self::FlippedBit => "flipped-bit",
            Self::Misdirected => "misdirected",
            Self::BlankDisk => "blank-disk",
            Self::Rollback => "rollback",
            Self::Skew => "skew",
            Self::Leap => "leap",
            Self::Pause => "pause",
            Self::AppBefore => "app-before",
            Self::AppAfter => "app-after",
            Self::AppRecorded => "app-recorded",
            Self::SlowApp => "slow-app",
            Self::Retry => "retry",
            Self::KeyReuse => "key-reuse",
            Self::Liar => "liar",
            Self::Twin => "twin",
            Self::Mutation => "mutation",
            Self::OddApp => "odd-app",
            Self::Remain => "remain",
            Self::Sieve => "sieve",
            Self::FewKeys => "few-keys",
            Self::DaysPass => "days-pass",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults(u64);

impl Faults {
    /// No fault at all.
    pub const NONE: Self = Self(0);
    /// Every fault.
    pub const ALL: Self = Self((1 << Fault::ALL.len()) - 1);

    /// Whether a kind is in it.
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u8) != 0
    }

    /// The set with a kind.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Self {
        Self(self.0 | 1 << fault as u8)
    }

    /// The set without a kind.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u8))
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The kinds in it.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.has(*fault))
    }

    /// Reads names with commas between them.
    ///
    /// # Errors
    /// The name that is not known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut names = text.split(',').filter(|name| !name.is_empty());
        names.try_fold(Self::NONE, |faults, name| {
            let fault = Fault::parse(name).ok_or_else(|| unknown(name))?;
            Ok(faults.with(fault))
        })
    }
}

fn unknown(name: &str) -> String {
    let known: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    format!(
        "no fault is called {name}; the names are {}",
        known.join(", ")
    )
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Fault::name).collect();
        formatter.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for fault in Fault::ALL {
            assert_eq!(Fault::parse(fault.name()), Some(fault));
        }
        assert_eq!(Faults::parse(&Faults::ALL.to_string()), Ok(Faults::ALL));
        assert!(Faults::parse("loss,flood").is_err());
    }
}
