//! The numbers of the protocol, each a type of its own so that none is taken for another.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use byzantine_proof::{Digest, ReplicaId};

/// The configuration in which one replica, `view mod n`, is primary. (OSDI'99 §4)
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct View(pub u64);

impl View {
    /// The view after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The primary of this view among `n` members.
    ///
    /// # Panics
    /// When `n` is zero or exceeds 256; a `Membership` allows neither.
    pub fn primary(self, n: usize) -> ReplicaId {
        let primary = self.0 % n as u64;
        ReplicaId(u8::try_from(primary).expect("a membership has at most 256 members"))
    }
}

impl fmt::Display for View {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The number of a batch in the agreed order; the first is 1.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The sequence after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Whether a stable checkpoint may sit here: at positive multiples of `interval`.
    pub const fn is_multiple_of(self, interval: u64) -> bool {
        self.0 > 0 && self.0.is_multiple_of(interval)
    }
}

impl Add<u64> for Sequence {
    type Output = Self;

    fn add(self, distance: u64) -> Self {
        Self(self.0.saturating_add(distance))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Milliseconds since 1970, as one replica's clock or as agreed.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This time plus a duration.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }
}

/// What the driver's clocks say as an event is handled. The core reads no clock itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Never goes back; only differences mean anything. For clocks that run out.
    pub monotonic: Duration,
    /// The wall clock. For agreed time only.
    pub unix: UnixMillis,
}

/// What names a request: the digest of every byte that the app or the middleware will see.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct RequestId(pub Digest);

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_goes_round() {
        let primaries: Vec<u8> = (0..6).map(|view| View(view).primary(4).0).collect();
        assert_eq!(primaries, [0, 1, 2, 3, 0, 1]);
    }

    #[test]
    fn sequence_zero_is_no_checkpoint() {
        assert!(!Sequence(0).is_multiple_of(128));
        assert!(Sequence(256).is_multiple_of(128));
        assert!(!Sequence(257).is_multiple_of(128));
    }
}
