//! Liars: replicas that break the protocol on purpose, for demonstrations and tests.
//!
//! A liar is a real replica whose frames, app responses or client responses are altered on their
//! way out. `byz run --fault 2=equivocate` starts one, and so does the test sidecar on a cluster.
//! Only these two link this crate: no `byzantine-sidecar` build contains a liar. All that they do
//! follows from a [`Seed`] and from what the replica says, so that a run can be repeated.

mod corrupt_votes;
mod crash;
mod equivocate;
mod false_snapshot;
mod fault;
mod lying_gateway;
mod mute;
mod rewrite;
mod slow;
mod wrong_answer;

use byzantine_sidecar::Interposer;

pub use crate::fault::{Fault, UnknownFault};

/// Decides what a liar leaves open otherwise, such as which peer hears what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seed(pub u64);

/// The liar that commits `fault`.
pub fn interposer(fault: Fault, seed: Seed) -> Box<dyn Interposer> {
    match fault {
        Fault::Crash => Box::new(crash::Crash::default()),
        Fault::Mute => Box::new(mute::Mute),
        Fault::Slow => Box::new(slow::Slow),
        Fault::Equivocate => Box::new(equivocate::Equivocate::new(seed)),
        Fault::WrongAnswer => Box::new(wrong_answer::WrongAnswer),
        Fault::LyingGateway => Box::new(lying_gateway::LyingGateway::new(seed)),
        Fault::CorruptVotes => Box::new(corrupt_votes::CorruptVotes::new(seed)),
        Fault::FalseSnapshot => Box::new(false_snapshot::FalseSnapshot),
    }
}
