//! What was noticed about replicas and the service, once per kind and replica.

use crate::status::{Observation, ObservationKind};

/// Ten kinds or fewer for at most 32 replicas; more than this would be a defect.
const LIMIT: usize = 400;

/// Something noticed just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What.
    pub kind: ObservationKind,
    /// About which replica, if one can be named.
    pub replica: Option<u8>,
    /// Which sequence it concerned.
    pub sequence: Option<u64>,
    /// In plain words.
    pub detail: String,
    /// What to do about it.
    pub next_step: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Observations(Vec<Observation>);

impl Observations {
    pub(super) fn add(&mut self, sighting: Sighting, now: u64) {
        let same = |seen: &&mut Observation| {
            (seen.kind, seen.replica) == (sighting.kind, sighting.replica)
        };
        if let Some(seen) = self.0.iter_mut().find(same) {
            seen.count += 1;
            seen.last_unix_ms = now;
            seen.sequence = sighting.sequence.or(seen.sequence);
            seen.detail = sighting.detail;
        } else if self.0.len() < LIMIT {
            self.0.push(Observation {
                kind: sighting.kind,
                replica: sighting.replica,
                count: 1,
                sequence: sighting.sequence,
                detail: sighting.detail,
                next_step: sighting.next_step.to_owned(),
                first_unix_ms: now,
                last_unix_ms: now,
            });
        }
    }

    pub(super) fn list(&self) -> Vec<Observation> {
        let mut list = self.0.clone();
        list.sort_by_key(|seen| seen.last_unix_ms);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(replica: u8, sequence: Option<u64>) -> Sighting {
        Sighting {
            kind: ObservationKind::Silent,
            replica: Some(replica),
            sequence,
            detail: format!("at {sequence:?}"),
            next_step: "look",
        }
    }

    #[test]
    fn repetitions_are_counted_and_replicas_kept_apart() {
        let mut observations = Observations::default();
        observations.add(sighting(1, Some(5)), 10);
        observations.add(sighting(2, None), 20);
        observations.add(sighting(1, None), 30);
        let list = observations.list();
        assert_eq!(list.len(), 2);
        assert_eq!(
            (list[1].replica, list[1].count, list[1].sequence),
            (Some(1), 2, Some(5))
        );
        assert_eq!((list[1].first_unix_ms, list[1].last_unix_ms), (10, 30));
    }
}
