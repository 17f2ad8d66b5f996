//! What the chart promises, read from its files: alerts, metric names, the runbook's entries.
//!
//! The chart itself is `byzantine-operator/`, beside this crate; it is made of files for Helm. The
//! tests compare it with what the programs record about themselves. They need no cluster and no
//! Helm; what needs those is in the end-to-end tests.

pub mod alerts;
pub mod files;
pub mod metric_names;
pub mod runbook;
