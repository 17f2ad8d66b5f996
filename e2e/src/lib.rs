//! Stories on a real Kubernetes cluster, told through its API as a user would.
//!
//! Everything goes through `kubectl` and `helm` with whatever kubeconfig is there, so the same
//! stories run on kind and on any other cluster that has the images. What cannot be done from
//! outside (killing one process in a container without a shell) does a pod of `byzantine-e2e-tool`.
//! Nothing here sleeps where it can wait for an event.

pub mod chart;
pub mod cluster;
pub mod command;
pub mod customer;
pub mod door;
pub mod forward;
pub mod namespace;
pub mod node;
pub mod service;

pub use cluster::Cluster;
pub use customer::Customer;
pub use namespace::Namespace;
pub use service::Service;
