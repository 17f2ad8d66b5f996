//! A replica that wants others to take a state of its own making: it offers snapshots that nobody
//! else has, newer than all, and damages those that it really has.

use bytes::Bytes;
use byzantine_consensus::{Digest, Frame, Sequence};
use byzantine_sidecar::Interposer;
use byzantine_sidecar::courier::StateParcel;
use byzantine_sidecar::interposer::{Outbound, Parcel};
use byzantine_sidecar::snapshots::Manifest;

/// A state in which one account owns everything.
const STATE: &[u8] = b"{\"applied\":{\"ordinal\":999999999,\"status\":200,\"headers\":\"[]\",\
    \"body\":[]},\"minted\":1,\"transfers_ordered\":0,\"accounts\":[[\"mallory\",1]],\
    \"transfers\":[]}";

/// Offers and sends false snapshots.
pub(crate) struct FalseSnapshot;

impl Interposer for FalseSnapshot {
    fn outbound(&self, outbound: &Outbound<'_>) -> Vec<Parcel> {
        let direct: Vec<_> = outbound
            .direct
            .iter()
            .map(|(peer, frame)| (*peer, falsified(frame)))
            .collect();
        let lie = Outbound {
            direct: &direct,
            ..*outbound
        };
        lie.honest()
    }
}

fn falsified(frame: &Frame) -> Frame {
    let Frame::State(bytes) = frame else {
        return frame.clone();
    };
    let parcel = match StateParcel::decode(bytes) {
        Some(StateParcel::Snapshots(mut offered)) => {
            offered.insert(0, invented(offered.first()));
            StateParcel::Snapshots(offered)
        }
        Some(StateParcel::Chunk {
            snapshot,
            index,
            bytes,
        }) => {
            let bytes = damaged(&bytes);
            StateParcel::Chunk {
                snapshot,
                index,
                bytes,
            }
        }
        _ => return frame.clone(),
    };
    Frame::State(parcel.encode())
}

/// Of a sequence to come.
fn invented(newest: Option<&Manifest>) -> Manifest {
    let sequence = newest.map_or(0, |newest| newest.sequence.0);
    Manifest {
        sequence: Sequence(sequence + 1024),
        ordinal: 999_999_999,
        bytes: STATE.len() as u64,
        chunks: vec![Digest::of(STATE)],
    }
}

fn damaged(bytes: &[u8]) -> Bytes {
    let mut damaged = bytes.to_vec();
    if let Some(first) = damaged.first_mut() {
        *first ^= 1;
    }
    Bytes::from(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_offers_what_nobody_has_and_damages_what_it_has() {
        let offers = StateParcel::Snapshots(Vec::new());
        let Frame::State(bytes) = falsified(&Frame::State(offers.encode())) else {
            panic!("a parcel stays one");
        };
        let Some(StateParcel::Snapshots(offered)) = StateParcel::decode(&bytes) else {
            panic!("offers stay offers");
        };
        assert!(offered[0].is_valid() && offered[0].is_chunk(0, STATE));
        assert_ne!(damaged(b"state"), b"state"[..]);
    }
}
