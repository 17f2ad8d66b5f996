//! The whole protocol in one thread: seeded worlds in virtual time, liars, broken disks, checkers.
//!
//! The production core and journal run unmodified, over everything that can go wrong. A run is a
//! function of its options, so a seed is a reproduction. `docs/simulator.md` tells how to use it.

pub mod adversary;
pub mod app;
pub mod authority;
mod bias;
pub mod check;
pub mod client;
pub mod command;
pub mod disk;
pub mod executor;
pub mod fault;
pub mod keys;
pub mod ledger;
pub mod log;
pub mod member;
pub mod network;
pub mod node;
pub mod plan;
pub mod random;
pub mod sabotage;
pub mod say;
pub mod seeds;
pub mod selection;
pub mod tally;
pub mod trace;
pub mod world;

pub use adversary::AttackKind;
pub use check::Violation;
pub use fault::{Fault, Faults};
pub use plan::Options;
pub use world::{Report, run};
