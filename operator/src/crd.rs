//! The kind `ByzantineService` as Kubernetes stores it.
//!
//! The desired state is `byzantine_resource::Spec`, the same type that `byz run` reads.
#![allow(
    clippy::duplicated_attributes,
    reason = "columns have the same keys each"
)]

pub mod schema;
pub mod status;

use std::ops::Deref;

use byzantine_resource::Spec;
use kube::{CustomResource, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use status::Status;

/// `spec`: what is wanted.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "byzantine.dev",
    version = "v1alpha1",
    kind = "ByzantineService",
    plural = "byzantineservices",
    singular = "byzantineservice",
    shortname = "bzs",
    category = "all",
    category = "byzantine",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    doc = "A deterministic HTTP service whose answers a quorum of its replicas certifies.",
    printcolumn(name = "F", type_ = "integer", json_path = ".spec.faultTolerance"),
    printcolumn(name = "Ready", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Primary", type_ = "integer", json_path = ".status.primary"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "View",
        type_ = "integer",
        json_path = ".status.view",
        priority = 1
    ),
    printcolumn(
        name = "Revision",
        type_ = "string",
        json_path = ".status.app.revision",
        priority = 1
    ),
    printcolumn(
        name = "Epoch",
        type_ = "integer",
        json_path = ".status.membership.epoch",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    )
)]
#[serde(transparent)]
pub struct ByzantineServiceSpec(pub Spec);

impl Deref for ByzantineServiceSpec {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        &self.0
    }
}

impl ByzantineService {
    /// The service's namespace; objects from the API server always have one.
    pub fn namespace_name(&self) -> String {
        self.namespace().unwrap_or_else(|| "default".to_owned())
    }

    /// The origin under which its replicas sign in an epoch (PROOFS section 2).
    pub fn origin_stem(&self) -> String {
        let (name, namespace) = (self.name_any(), self.namespace_name());
        format!("{name}.{namespace}.{}", self.spec.proofs.domain)
    }
}
