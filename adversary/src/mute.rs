//! A replica that hears everything and says nothing: to its peers it is as good as dead, but it
//! still accepts clients.

use byzantine_sidecar::Interposer;
use byzantine_sidecar::interposer::{Outbound, Parcel};

/// Sends no frames.
pub(crate) struct Mute;

impl Interposer for Mute {
    fn outbound(&self, _: &Outbound<'_>) -> Vec<Parcel> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use byzantine_consensus::Message;

    use super::*;
    use crate::rewrite::scene;

    #[test]
    fn nothing_leaves() {
        let messages = [Message::Prepare(scene::vote(&scene::batch(1)))];
        assert_eq!(scene::sent(&Mute, &messages, &[], &[]), []);
    }
}
