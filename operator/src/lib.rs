//! The Kubernetes operator: a `ByzantineService` becomes replicas that agree.
//!
//! [`crd`] is the resource as Kubernetes stores it. Everything that decides is pure: [`plan`] says
//! what is to be done about what was [`observed`]. What talks to the API server only reads, and
//! does what was decided.

pub mod action;
pub mod assess;
pub mod cluster;
pub mod controller;
pub mod crd;
pub mod digest;
pub mod enrolment;
pub mod environment;
pub mod error;
pub mod facts;
pub mod health;
pub mod lease;
pub mod membership;
pub mod metrics;
pub mod names;
pub mod object;
pub mod observed;
pub mod plan;
pub mod pod;
pub mod program;
pub mod reconcile;
pub mod render;
pub mod report;
pub mod revisions;
pub mod settings;
pub mod sidecars;
