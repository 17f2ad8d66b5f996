//! The Kubernetes operator: a `ByzantineService` becomes replicas that agree.
//!
//! [`crd`] is the resource as Kubernetes stores it. Everything that decides is pure; what talks to
//! the API server only reads, and does what was decided.

pub mod crd;
pub mod names;
