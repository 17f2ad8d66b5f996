//! What people and alerts see: metrics, observations, divergences.
//!
//! Metric names are an interface and golden-tested. Label values come from closed sets, so that
//! nobody outside can make series grow; observations and divergences are bounded lists.

mod divergences;
mod metrics;
mod observations;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use byzantine_proof::Membership;

use crate::error::SidecarError;
use crate::status::{Counters, Divergence, Observation};

pub use metrics::Metrics;
pub(crate) use metrics::{PHASES, integer};
pub use observations::Sighting;

/// Everything one replica tells about itself and others.
pub struct Telemetry {
    metrics: Metrics,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    observations: observations::Observations,
    divergences: divergences::Divergences,
    counters: Counters,
}

impl Telemetry {
    /// All metrics of a member, at zero.
    ///
    /// # Errors
    /// [`SidecarError::Metrics`] when two have one name: a defect.
    pub fn new(membership: &Membership) -> Result<Self, SidecarError> {
        let metrics = Metrics::new(membership);
        Ok(Self {
            metrics: metrics.map_err(|source| SidecarError::Metrics { source })?,
            seen: Mutex::default(),
        })
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Notes something about a replica or the service; repetitions are counted.
    pub fn observe(&self, sighting: Sighting) {
        self.seen().observations.add(sighting, unix_milliseconds());
    }

    /// Notes that two replicas' answers to one request differ.
    pub fn diverged(&self, divergence: Divergence) {
        self.seen().divergences.add(divergence);
    }

    /// Notes that a replica's answer to a request is not the settled one.
    pub fn outvoted(&self, replica: u8, own: u8, sequence: u64, index: u32) {
        let mut seen = self.seen();
        seen.divergences.outvoted(replica, own, (sequence, index));
    }

    /// Changes the counters that the status shows.
    pub fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.seen().counters);
    }

    /// The counters.
    pub fn counters(&self) -> Counters {
        self.seen().counters
    }

    /// What was noticed, oldest first.
    pub fn observations(&self) -> Vec<Observation> {
        self.seen().observations.list()
    }

    /// Where answers differed, oldest first.
    pub fn divergences(&self) -> Vec<Divergence> {
        self.seen().divergences.list()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Lists and counters stay usable whatever panicked while they were held.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wall clock, in milliseconds since 1970.
pub fn unix_milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = since.unwrap_or_default().as_millis();
    u64::try_from(milliseconds).unwrap_or(u64::MAX)
}
