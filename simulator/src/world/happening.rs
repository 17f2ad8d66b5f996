//! What can happen in a world.

use std::sync::Arc;

use byzantine_consensus::{Frame, Request, RequestId, SharedFrame};

use crate::ledger::Proven;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Happening {
    Deliver {
        from: usize,
        to: usize,
        frame: Arc<SharedFrame>,
    },
    RunApp {
        slot: usize,
        life: u32,
    },
    Restart(usize),
    Connect {
        slot: usize,
        peer: usize,
    },
    Invoke(usize),
    Submit {
        client: usize,
        gateway: usize,
        request: Box<Request>,
    },
    Impatience {
        client: usize,
        call: usize,
        attempt: u32,
    },
    Reply {
        client: usize,
        id: RequestId,
        proven: Box<Proven>,
    },
    Disturb,
    Heal,
}

impl Happening {
    /// What goes into the hash.
    pub(super) fn fingerprint(&self) -> (u64, u64) {
        match self {
            Self::Deliver { from, to, frame } => {
                (weight(frame.frame()) ^ 1, (from * 64 + to) as u64)
            }
            Self::RunApp { slot, .. } => (3, *slot as u64),
            Self::Restart(slot) => (4, *slot as u64),
            Self::Connect { slot, peer } => (5, (slot * 64 + peer) as u64),
            Self::Invoke(client) => (6, *client as u64),
            Self::Submit {
                client, gateway, ..
            } => (7, (client * 64 + gateway) as u64),
            Self::Impatience { client, .. } => (8, *client as u64),
            Self::Reply { client, proven, .. } => (9, (*client as u64) << 32 | proven.position),
            Self::Disturb => (10, 0),
            Self::Heal => (11, 0),
        }
    }
}

/// A number that stands for a frame's content.
fn weight(frame: &Frame) -> u64 {
    let first = |bytes: &[u8]| {
        bytes
            .iter()
            .take(8)
            .fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte))
    };
    match frame {
        Frame::Envelope { envelope, .. } => first(&envelope.signature.as_bytes()[..]),
        Frame::Relay(messages) => messages.len() as u64,
        _ => 7,
    }
}
