//! From the resource to the objects that it should own.
//!
//! Everything here is pure. What a replica runs is one [`Revision`]; the other objects follow from
//! the spec alone.

mod claim;
mod config;
mod pod;
mod policy;
mod revision;
mod service;
mod workload;

use kube::{Resource as _, ResourceExt as _};
use serde_json::{Value, json};

use crate::crd::ByzantineService;
use crate::names;
use crate::settings::Settings;

pub use claim::{Volume, claim, size_of};
pub use config::{config_map, sidecar_config};
pub use policy::{disruption_budget, network_policy};
pub(crate) use revision::agreed;
pub use revision::{AppVersion, Revision};
pub use service::{client_service, peer_service};
pub use workload::stateful_set;

/// A service and what the operator adds to all services.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The resource.
    pub service: &'a ByzantineService,
    /// The operator's own.
    pub settings: &'a Settings,
}

impl Subject<'_> {
    /// The service's name.
    pub fn name(&self) -> String {
        self.service.name_any()
    }

    /// The UID by which owned objects know it.
    pub fn uid(&self) -> String {
        self.service.uid().unwrap_or_default()
    }

    /// The ordinals of its replicas.
    pub fn ordinals(&self) -> std::ops::Range<u32> {
        0..self.service.spec.replica_count()
    }

    /// Metadata of an owned object.
    fn metadata(&self) -> Value {
        json!({"labels": names::labels(&self.name()), "ownerReferences": [self.owner()]})
    }

    /// Metadata of an owned object of one replica.
    fn replica_metadata(&self, ordinal: u32) -> Value {
        let labels = names::replica_labels(&self.name(), ordinal);
        json!({"labels": labels, "ownerReferences": [self.owner()]})
    }

    /// The reference by which the garbage collector knows what goes with the resource.
    fn owner(&self) -> Value {
        let reference = self.service.controller_owner_ref(&());
        serde_json::to_value(reference).expect("a reference is plain data")
    }
}
