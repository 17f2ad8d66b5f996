//! For how long a world remembers keys, and how many of one gateway's.
//!
//! For longer than any run takes, unless days pass at once; in some worlds so few that clients are
//! refused.

use std::time::Duration;

use byzantine_consensus::limits::GATEWAY_KEYS;
use byzantine_consensus::{KeySource, Retention};

use crate::fault::{Fault, Faults};
use crate::random::Random;

/// How long a key that a client chose is remembered.
const CLIENT: Duration = Duration::from_hours(24);

/// The same for one that a gateway made.
const GATEWAY: Duration = Duration::from_mins(10);

/// What a seed says, by a stream of its own: its other choices do not depend on it.
pub fn retention(seed: u64, faults: Faults) -> Retention {
    let few = Random::new(seed, "quotas").pick(&[1, 2, 3, 5, 8]);
    Retention {
        client: CLIENT,
        gateway: GATEWAY,
        gateway_keys: if faults.has(Fault::FewKeys) {
            few
        } else {
            GATEWAY_KEYS
        },
    }
}

/// Until which agreed time a key is remembered that is used at `time`, both in milliseconds. It
/// lives through that millisecond.
pub fn expiry(kept: &Retention, source: KeySource, time: u64) -> u64 {
    let kept = match source {
        KeySource::Client => kept.client,
        KeySource::Gateway => kept.gateway,
    };
    time.saturating_add(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX))
}
