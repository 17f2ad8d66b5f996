//! A replica that says everything, correctly and late: just fast enough not to look dead.

use std::time::Duration;

use byzantine_sidecar::Interposer;
use byzantine_sidecar::interposer::{Outbound, Parcel};

/// How late.
const DELAY: Duration = Duration::from_millis(300);

/// Delays every frame.
pub(crate) struct Slow;

impl Interposer for Slow {
    fn outbound(&self, outbound: &Outbound<'_>) -> Vec<Parcel> {
        let parcels = outbound.honest().into_iter();
        let delayed = parcels.map(|parcel| Parcel {
            delay: DELAY,
            ..parcel
        });
        delayed.collect()
    }
}

#[cfg(test)]
mod tests {
    use byzantine_consensus::Message;

    use super::*;
    use crate::rewrite::scene;

    #[test]
    fn every_peer_gets_the_honest_frame_late() {
        let messages = [Message::Prepare(scene::vote(&scene::batch(1)))];
        let parcels = scene::sent(&Slow, &messages, &[], &[]);
        assert_eq!(parcels.len(), scene::PEERS.len());
        assert!(parcels.iter().all(|parcel| parcel.delay == DELAY));
        assert_eq!(scene::read(&parcels[2].frame).0, messages);
    }
}
