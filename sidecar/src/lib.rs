//! The sidecar: HTTP gateway, peer links, driver, executor and ledger of one replica.
//!
//! A client's request enters at the [`gateway`], is ordered by the [`driver`], executed on the
//! app by the [`executor`], and answered once a quorum has cosigned the [`ledger`] that holds it.
//! [`sidecar::run`] wires these together.

// No image may hold built-in bugs, switched on or not.
const _: () =
    assert!(!byzantine_consensus::sabotage::POSSIBLE && !byzantine_journal::sabotage::POSSIBLE);

pub mod admin;
pub mod canonical;
pub mod config;
pub mod courier;
pub mod difference;
pub mod driver;
pub mod enrolment;
pub mod error;
pub mod executor;
pub mod gateway;
pub mod idempotency;
pub mod interposer;
pub mod keystore;
pub mod ledger;
pub mod logging;
mod memory;
pub mod peers;
pub mod problem;
pub mod program;
pub mod respond;
mod set_aside;
pub mod shutdown;
pub mod sidecar;
pub mod snapshots;
pub mod status;
pub mod submission;
pub mod telemetry;

pub use config::Config;
pub use error::SidecarError;
pub use interposer::{Honest, Interposer};
