//! `status`: what is, as the operator observed it. It has one writer, the operator.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// A printed summary; programs read the conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// n.
    pub replicas: u32,
    /// Replicas to which clients are sent.
    pub ready_replicas: u32,
    /// f.
    pub fault_tolerance: u32,
    /// How many more replicas may fail before the service stops.
    pub faults_left: u32,
    /// q: how many replicas order a request.
    pub quorum: u32,
    /// k: how many replicas sign an answer.
    pub reply_quorum: u32,
    /// The view, as f+1 members report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<u64>,
    /// The primary of that view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<u32>,
    /// Whose keys count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership: Option<MembershipStatus>,
    /// The app's version.
    pub app: AppVersionStatus,
    /// The sidecar's image.
    pub sidecar_image: String,
    /// The replicas, by ordinal.
    pub members: Vec<Member>,
    /// The one replica whose pod is being replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacing: Option<Replacement>,
    /// Standard conditions: Ready, `QuorumAvailable`, Progressing, Degraded, `KeysPinned`,
    /// `RepliesAgree`, `FaultsIndependent`.
    pub conditions: Vec<Condition>,
}

/// A printed summary of the conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// The replicas' keys are not all pinned.
    Enrolling,
    /// The service answers and nothing is wrong.
    Ready,
    /// A new revision is coming in.
    Updating,
    /// The service answers, but not at full strength.
    Degraded,
    /// The service does not answer.
    Unavailable,
    /// Changes to pods are stopped.
    Paused,
}

impl Phase {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enrolling => "Enrolling",
            Self::Ready => "Ready",
            Self::Updating => "Updating",
            Self::Degraded => "Degraded",
            Self::Unavailable => "Unavailable",
            Self::Paused => "Paused",
        }
    }
}

/// Whose keys count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MembershipStatus {
    /// Which membership, from 0.
    pub epoch: u64,
    /// SHA-256 of the first membership's text, in hexadecimal.
    pub genesis: String,
    /// SHA-256 of this membership's text, in hexadecimal.
    pub digest: String,
}

/// The app's version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AppVersionStatus {
    /// The version that all replicas run, as a short digest; empty while they differ.
    pub revision: String,
    /// The version that the spec asks for.
    pub desired_revision: String,
    /// The sequence of the last agreed switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch_sequence: Option<u64>,
}

/// One replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Member {
    /// Which one, from 0.
    pub ordinal: u32,
    /// Its pinned public vote key, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// How often its volume was given up, counted from 1.
    pub incarnation: u64,
    /// Its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The pod's node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The app version that it runs, as a short digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_revision: Option<String>,
    /// How it is.
    pub state: MemberState,
    /// Why, and what to do.
    pub message: String,
}

/// How a replica is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum MemberState {
    /// Its keys are not pinned yet.
    #[default]
    Pending,
    /// Its keys are pinned; the others' are not all.
    Enrolled,
    /// It takes part.
    Active,
    /// It is fetching what it missed.
    CatchingUp,
    /// Its app is being brought back.
    Rebuilding,
    /// Its app answered differently from the others.
    Diverged,
    /// It provably lied.
    Convicted,
    /// It does not run or does not answer.
    Down,
}

impl MemberState {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Enrolled => "Enrolled",
            Self::Active => "Active",
            Self::CatchingUp => "CatchingUp",
            Self::Rebuilding => "Rebuilding",
            Self::Diverged => "Diverged",
            Self::Convicted => "Convicted",
            Self::Down => "Down",
        }
    }
}

/// The one replica whose pod is being replaced. It is written before its pod is touched, so that
/// whoever comes next goes on with the same replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Replacement {
    /// Which replica.
    pub ordinal: u32,
    /// The template revision that it is to run.
    pub revision: String,
    /// Seconds since 1970 at which it began.
    pub started: i64,
    /// The UIDs of the pods that had to go for it.
    pub pods: Vec<String>,
    /// Whether the replica was down before: then a failure says nothing about the revision.
    pub was_down: bool,
}
