//! All attacks by name.

use super::Attack;
use crate::random::Random;

/// Which attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttackKind {
    /// Liars are silent.
    Mute,
}

impl AttackKind {
    /// All attacks.
    pub const ALL: &'static [Self] = &[Self::Mute];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mute => "mute",
        }
    }

    /// The attack of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Any of them.
    pub fn draw(random: &mut Random) -> Option<Self> {
        Some(random.pick(Self::ALL))
    }

    /// The attack itself.
    pub fn attack(self) -> Box<dyn Attack> {
        match self {
            Self::Mute => Box::new(super::mute::Mute),
        }
    }
}
