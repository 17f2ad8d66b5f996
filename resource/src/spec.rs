//! The desired state of a service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::consensus::Consensus;
use crate::exposure::{Exposure, NetworkPolicy};
use crate::http::Http;
use crate::proofs::Proofs;
use crate::replica_override::ReplicaOverride;
use crate::rollout::Rollout;
use crate::sidecar::Sidecar;
use crate::storage::Storage;
use crate::template::Template;

/// The largest `spec.faultTolerance`.
pub const MAX_FAULTS: u32 = 7;

/// The largest number of replicas: 3·7+1.
pub const MAX_REPLICAS: u32 = 22;

/// The most cosignatures in a proof: signed-note guarantees 16 lines, and one is the log's.
const MAX_REPLY_QUORUM: u32 = 15;

/// `spec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// f: how many replicas may fail in any way.
    #[serde(default = "default_faults")]
    pub fault_tolerance: u32,
    /// n; absent means 3f+1.
    #[serde(default)]
    pub replicas: Option<u32>,
    /// Stops changes to pods, not the service.
    #[serde(default)]
    pub paused: bool,
    /// The app.
    pub app: Application,
    /// What the gateways take in and pass on.
    #[serde(default)]
    pub http: Http,
    /// How the replicas agree.
    #[serde(default)]
    pub consensus: Consensus,
    /// What the proofs say and how they travel.
    #[serde(default)]
    pub proofs: Proofs,
    /// Volumes.
    #[serde(default)]
    pub storage: Storage,
    /// How clients reach the gateways.
    #[serde(default)]
    pub service: Exposure,
    /// The sidecar's container.
    #[serde(default)]
    pub sidecar: Sidecar,
    /// What single replicas have of their own.
    #[serde(default)]
    pub overrides: Vec<ReplicaOverride>,
    /// How a new version of the app comes in.
    #[serde(default)]
    pub rollout: Rollout,
    /// Who may talk to whom.
    #[serde(default)]
    pub network_policy: NetworkPolicy,
    /// What the pods have besides their containers.
    #[serde(default)]
    pub template: Template,
}

fn default_faults() -> u32 {
    1
}

impl Spec {
    /// A spec for that app with every default.
    pub fn new(app: Application) -> Self {
        Self {
            fault_tolerance: default_faults(),
            replicas: None,
            paused: false,
            app,
            http: Http::default(),
            consensus: Consensus::default(),
            proofs: Proofs::default(),
            storage: Storage::default(),
            service: Exposure::default(),
            sidecar: Sidecar::default(),
            overrides: Vec::new(),
            rollout: Rollout::default(),
            network_policy: NetworkPolicy::default(),
            template: Template::default(),
        }
    }

    /// n.
    pub fn replica_count(&self) -> u32 {
        self.replicas.unwrap_or_else(|| self.fewest_replicas())
    }

    /// 3f+1.
    pub fn fewest_replicas(&self) -> u32 {
        self.fault_tolerance.saturating_mul(3).saturating_add(1)
    }

    /// q = ⌈(n+f+1)/2⌉.
    pub fn order_quorum(&self) -> u32 {
        self.replica_count()
            .saturating_add(self.fault_tolerance)
            .saturating_add(1)
            .div_ceil(2)
    }

    /// k: `spec.consensus.replyQuorum`, else q, at most what a proof can hold.
    pub fn reply_quorum(&self) -> u32 {
        let default = self.order_quorum().min(MAX_REPLY_QUORUM);
        self.consensus.reply_quorum.unwrap_or(default)
    }

    /// The smallest and the largest k allowed: 2f+1 and min(15, n−f).
    pub fn reply_quorum_range(&self) -> (u32, u32) {
        let highest = self.replica_count().saturating_sub(self.fault_tolerance);
        (
            self.fault_tolerance.saturating_mul(2).saturating_add(1),
            highest.min(MAX_REPLY_QUORUM),
        )
    }
}
