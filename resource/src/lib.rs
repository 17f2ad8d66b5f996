//! The `ByzantineService` resource: its types, defaults and rules.
//!
//! One manifest runs everywhere: `byz run` and the Kubernetes operator read it with this crate.
//! [`read`] turns text into a resource that obeys every rule; whoever builds one by hand calls
//! [`ByzantineService::problems`]. Errors name the field, what was given, why it is refused and
//! what to do next.

mod application;
mod consensus;
mod error;
mod exposure;
mod http;
mod problem;
mod proofs;
mod reading;
mod replica_override;
mod rollout;
mod service;
mod sidecar;
mod spec;
mod storage;
mod suggestion;
mod template;
mod text;
mod validation;

pub use application::{Application, EnvironmentVariable, FileMount, State, StateType};
pub use consensus::Consensus;
pub use error::ResourceError;
pub use exposure::{Exposure, ExposureType, NetworkPolicy};
pub use http::{Cors, Http};
pub use problem::Problem;
pub use proofs::{Proofs, Transport};
pub use reading::{MAX_MANIFEST_BYTES, read, read_named};
pub use replica_override::ReplicaOverride;
pub use rollout::{AppRollout, OnFailure, Rollout};
pub use service::{
    API_VERSION, ByzantineService, KIND, LOCAL_COMMAND_ANNOTATION, Metadata, OWN_PORTS,
};
pub use sidecar::{LogFormat, Sidecar};
pub use spec::{MAX_FAULTS, MAX_REPLICAS, Spec};
pub use storage::{LedgerStorage, Retention, Storage, Volume};
pub use suggestion::closest;
pub use template::Template;
pub use text::{DurationText, Quantity};
