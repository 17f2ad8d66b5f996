//! A `ByzantineService` on the cluster, as `kubectl` shows it.

use std::sync::Arc;
use std::time::Duration;

use byzantine_proof::{Membership, Policy};
use serde_json::{Value, json};

use crate::cluster::{Cluster, eventually};
use crate::door::Door;

/// The image with liars and the switch.
pub const TEST_SIDECAR: &str = "byzantine/sidecar-test:dev";

/// How long two slow cores may take to start four replicas, or to bring one back.
pub const LIMIT: Duration = Duration::from_mins(3);

/// A service that was applied.
#[derive(Debug, Clone)]
pub struct Service {
    cluster: Cluster,
    namespace: String,
    name: String,
}

/// One standard Condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One of the runbook's entries.
    pub reason: String,
    /// Cause and next step.
    pub message: String,
}

impl Condition {
    fn of(status: &Value, kind: &str) -> Option<Self> {
        let conditions = status["conditions"].as_array()?;
        let found = conditions.iter().find(|one| one["type"] == kind)?;
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        Some(Self {
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
        })
    }
}

/// The wallet as a manifest, with the test sidecar.
pub fn wallet(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "byzantine.dev/v1alpha1",
        "kind": "ByzantineService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "app": {
                "image": "byzantine/wallet:dev",
                "state": {
                    "type": "Durable",
                    "appliedPath": "/byzantine/applied",
                    "mountPath": "/data",
                },
            },
            "sidecar": {"image": TEST_SIDECAR},
            "storage": {"retention": "Delete"},
        },
    })
}

impl Service {
    /// Applies a manifest.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub fn apply(cluster: Cluster, manifest: &Value) -> Self {
        cluster.apply(&manifest.to_string());
        let text = |field: &str| manifest["metadata"][field].as_str().unwrap_or_default();
        Self::named(cluster, text("namespace"), text("name"))
    }

    /// One that is there already.
    pub fn named(cluster: Cluster, namespace: &str, name: &str) -> Self {
        Self {
            cluster,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Changes fields of the resource, as `kubectl patch` does.
    pub fn patch(&self, patch: &Value) {
        let object = format!("byzantineservice/{}", self.name);
        let patch = patch.to_string();
        let patch = ["--type=merge", "--patch", &patch];
        let mut arguments = vec!["patch", &object, "--namespace", &self.namespace];
        arguments.extend(patch);
        self.cluster.kubectl(&arguments);
    }

    /// The resource.
    pub fn object(&self) -> Value {
        self.cluster.json(&[
            "byzantineservice",
            &self.name,
            "--namespace",
            &self.namespace,
        ])
    }

    /// A Condition, if it is there.
    pub fn condition(&self, kind: &str) -> Option<Condition> {
        Condition::of(&self.object()["status"], kind)
    }

    /// Waits for a Condition with this reason, and returns it.
    ///
    /// # Panics
    /// When it does not come.
    pub fn comes_to(&self, kind: &str, reason: &str) -> Condition {
        let what = format!("{}/{}: {kind} for {reason}", self.namespace, self.name);
        eventually(&what, LIMIT, || match self.condition(kind) {
            Some(condition) if condition.reason == reason => Ok(condition),
            other => Err(format!("{other:?}")),
        })
    }

    /// Waits for a Condition with this status, and returns it.
    ///
    /// # Panics
    /// When it does not come.
    pub fn becomes(&self, kind: &str, status: &str) -> Condition {
        let what = format!("{}/{}: {kind} to be {status}", self.namespace, self.name);
        eventually(&what, LIMIT, || match self.condition(kind) {
            Some(condition) if condition.status == status => Ok(condition),
            other => Err(format!("{other:?}")),
        })
    }

    /// Waits until it serves.
    pub fn ready(&self) {
        let object = format!("byzantineservice/{}", self.name);
        self.cluster
            .wait(&self.namespace, &object, "condition=Ready", LIMIT);
    }

    /// Waits until every replica is ready and the status says that nothing is amiss.
    pub fn full_strength(&self) {
        let what = format!("{}/{}: full strength", self.namespace, self.name);
        eventually(&what, LIMIT, || {
            let status = self.object()["status"].clone();
            let ready = status["readyReplicas"] == status["replicas"];
            let degraded = Condition::of(&status, "Degraded").map(|one| one.status);
            if ready && degraded.as_deref() == Some("False") {
                Ok(())
            } else {
                Err(format!("{status:#}"))
            }
        });
    }

    /// Whose signatures count, from the `ConfigMap` in which the keys are pinned.
    ///
    /// # Panics
    /// When they are not pinned.
    pub fn policy(&self) -> Policy {
        let name = format!("{}-epoch-0", self.name);
        let pinned = self
            .cluster
            .json(&["configmap", &name, "--namespace", &self.namespace]);
        let text = pinned["data"]["membership"].as_str();
        let text = text.expect("the ConfigMap has a membership");
        let membership = Membership::parse(text).expect("the pinned membership parses");
        Policy::of(&membership)
    }

    /// The way to its gateways.
    pub fn door(&self) -> Arc<Door> {
        let replicas = self.object()["status"]["replicas"].as_u64().unwrap_or(4);
        let replicas = usize::try_from(replicas).expect("services have few replicas");
        Arc::new(Door::to(
            self.cluster,
            &self.namespace,
            &self.name,
            replicas,
        ))
    }

    /// The name of a replica's pod.
    pub fn pod(&self, replica: u64) -> String {
        format!("{}-{replica}-0", self.name)
    }

    /// A replica's pod, if there is one.
    pub fn find_pod(&self, replica: u64) -> Option<Value> {
        let name = self.pod(replica);
        self.cluster
            .find_json(&["pod", &name, "--namespace", &self.namespace])
    }

    /// The UID of a replica's pod.
    ///
    /// # Panics
    /// When there is none.
    pub fn pod_uid(&self, replica: u64) -> String {
        let pod = self.find_pod(replica).expect("the replica has a pod");
        pod["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Which replica is primary, as the status says.
    pub fn primary(&self) -> u64 {
        self.object()["status"]["primary"].as_u64().unwrap_or(0)
    }

    /// Deletes a replica's pod, and does not wait.
    pub fn delete_pod(&self, replica: u64) {
        let name = self.pod(replica);
        self.cluster.kubectl(&[
            "delete",
            "pod",
            &name,
            "--namespace",
            &self.namespace,
            "--wait=false",
        ]);
    }

    /// How often a container of a replica was restarted.
    pub fn restarts(&self, replica: u64, container: &str) -> u64 {
        let pod = self.find_pod(replica).unwrap_or_default();
        let lists = ["initContainerStatuses", "containerStatuses"];
        let statuses = lists
            .iter()
            .filter_map(|list| pod["status"][list].as_array().cloned())
            .flatten();
        let mut of_this = statuses.filter(|status| status["name"] == container);
        of_this
            .next()
            .and_then(|status| status["restartCount"].as_u64())
            .unwrap_or(0)
    }

    /// The resource's Events, as text.
    pub fn events(&self) -> String {
        let involved = format!("involvedObject.name={}", self.name);
        let arguments = [
            "get",
            "events",
            "--namespace",
            &self.namespace,
            "--field-selector",
        ];
        let mut arguments = arguments.to_vec();
        arguments.extend([involved.as_str(), "--output=json"]);
        self.cluster.kubectl(&arguments)
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
