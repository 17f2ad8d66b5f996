//! A namespace under the restricted Pod Security standard, gone when the story is over.

use crate::chart;
use crate::cluster::Cluster;

/// A namespace of one story.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    cluster: Cluster,
}

impl Namespace {
    /// Makes it, and installs the operator before if nobody has.
    pub fn new(name: &str) -> Self {
        let cluster = chart::installed();
        // What an interrupted run left would be in the way.
        cluster.try_kubectl(&["delete", "namespace", name, "--ignore-not-found", "--wait"]);
        let level = "restricted";
        cluster.apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{\
             pod-security.kubernetes.io/enforce: {level}, \
             pod-security.kubernetes.io/warn: {level}}}}}}}"
        ));
        Self {
            name: name.to_owned(),
            cluster,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster it is in.
    pub const fn cluster(&self) -> Cluster {
        self.cluster
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("left for you to look at: namespace {}", self.name);
            return;
        }
        let arguments = ["delete", "namespace", &self.name, "--wait=false"];
        self.cluster.try_kubectl(&arguments);
    }
}
