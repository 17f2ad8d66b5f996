//! The parts of a node together: links, ledger, metrics, and four whole sidecars.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

mod cluster;
mod enrolling;
mod ledger;
mod links;
mod metrics;
mod support;
