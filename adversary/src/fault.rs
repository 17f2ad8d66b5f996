//! The names of the liars, as `byz run --fault I=KIND` takes them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A way to be faulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Dies in the middle of its work.
    Crash,
    /// Hears everything and says nothing.
    Mute,
    /// Says everything late.
    Slow,
    /// Says different things to different peers, and signs them all.
    Equivocate,
    /// Its app's responses are altered.
    WrongAnswer,
    /// Alters what it returns to clients and keeps the proof.
    LyingGateway,
    /// Its votes reach some peers damaged.
    CorruptVotes,
    /// Offers snapshots of a state that nobody has.
    FalseSnapshot,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Crash,
        Self::Mute,
        Self::Slow,
        Self::Equivocate,
        Self::WrongAnswer,
        Self::LyingGateway,
        Self::CorruptVotes,
        Self::FalseSnapshot,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Mute => "mute",
            Self::Slow => "slow",
            Self::Equivocate => "equivocate",
            Self::WrongAnswer => "wrong-answer",
            Self::LyingGateway => "lying-gateway",
            Self::CorruptVotes => "corrupt-votes",
            Self::FalseSnapshot => "false-snapshot",
        }
    }

    /// One line for people who choose.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Crash => "aborts after every 100 batches it has voted to commit",
            Self::Mute => "sends nothing to the other replicas",
            Self::Slow => "sends everything to the other replicas 300 ms late",
            Self::Equivocate => "proposes and votes for different batches to different replicas",
            Self::WrongAnswer => "alters every answer of its app before it is agreed on",
            Self::LyingGateway => "alters answers on their way to clients and keeps the proof",
            Self::CorruptVotes => "damages its votes, and those it relays, on the way to some",
            Self::FalseSnapshot => "offers snapshots of a state of its own, and damages true ones",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let mut known = Self::ALL.into_iter();
        known
            .find(|fault| fault.name() == name)
            .ok_or_else(|| UnknownFault { name: name.into() })
    }
}

/// There is no liar of this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no fault is called {name:?}; choose one of {}", known())]
pub struct UnknownFault {
    /// What was asked for.
    pub name: String,
}

fn known() -> String {
    Fault::ALL.map(Fault::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_fault() {
        for fault in Fault::ALL {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "lazy".parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains("\"lazy\"") && error.contains("equivocate, wrong-answer"));
    }
}
