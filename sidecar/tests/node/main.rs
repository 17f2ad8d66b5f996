//! The parts of a node together: links, ledger, metrics, and four whole sidecars.

mod cluster;
mod ledger;
mod links;
mod metrics;
mod support;
