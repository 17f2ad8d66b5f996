//! What only somebody on the node can do: kill one process, flip the switch of a test sidecar.

use std::time::Duration;

use crate::chart;
use crate::cluster::Cluster;
use crate::command::Ran;

/// The image of `byzantine-e2e-tool`.
pub const TOOL: &str = "byzantine/e2e:dev";

/// The namespace of the privileged pod.
const NAMESPACE: &str = "byzantine-e2e-node";

/// The sidecar's program in the ordinary image and in the one with the liars.
pub const SIDECARS: [&str; 2] = ["byzantine-sidecar", "byzantine-sidecar-test"];

/// A privileged pod on the node; gone when the story is over.
#[derive(Debug)]
pub struct Node(Cluster);

impl Node {
    /// Starts the pod. On a cluster with several nodes the stories need one on each, so they
    /// run on clusters with one.
    pub fn enter() -> Self {
        let cluster = chart::installed();
        cluster.apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}, labels: {{\
             pod-security.kubernetes.io/enforce: privileged}}}}}}"
        ));
        cluster.apply(&pod());
        let limit = Duration::from_mins(1);
        cluster.wait(NAMESPACE, "pod/node", "condition=Ready", limit);
        Self(cluster)
    }

    /// SIGKILL to the sidecar of a pod.
    pub fn kill_sidecar(&self, pod: &str) {
        let killed = SIDECARS.map(|program| self.tool(&["kill", pod, program]));
        assert!(killed.contains(&true), "no sidecar in pod {pod}");
    }

    /// SIGKILL to `program` in a pod.
    ///
    /// # Panics
    /// When it does not run there.
    pub fn kill(&self, pod: &str, program: &str) {
        assert!(
            self.tool(&["kill", pod, program]),
            "no {program} in pod {pod}"
        );
    }

    /// Writes a file that the sidecar of a pod sees.
    pub fn write(&self, pod: &str, file: &str, text: &str) {
        let written = SIDECARS.map(|program| self.tool(&["write", pod, program, file, text]));
        assert!(written.contains(&true), "no sidecar in pod {pod}");
    }

    /// Reads a file that the sidecar of a pod sees.
    ///
    /// # Panics
    /// When it is not there.
    pub fn read(&self, pod: &str, file: &str) -> String {
        let mut read = SIDECARS
            .map(|program| self.run(&["read", pod, program, file]))
            .into_iter();
        let found = read.find(|ran| ran.success);
        found
            .unwrap_or_else(|| panic!("no {file} in pod {pod}"))
            .output
    }

    /// How often each of these bytes, in hexadecimal, is in the files that `program` has open;
    /// none where there is no such program on the node.
    pub fn search(&self, program: &str, needles: &[String]) -> Option<Vec<usize>> {
        let mut words = vec!["search", program];
        words.extend(needles.iter().map(String::as_str));
        let ran = self.run(&words);
        let counts: Result<Vec<usize>, _> = ran.output.split_whitespace().map(str::parse).collect();
        if ran.success { counts.ok() } else { None }
    }

    /// Removes a file that the sidecar of a pod sees.
    pub fn remove(&self, pod: &str, file: &str) {
        let removed = SIDECARS.map(|program| self.tool(&["remove", pod, program, file]));
        assert!(removed.contains(&true), "no {file} in pod {pod}");
    }

    fn tool(&self, words: &[&str]) -> bool {
        self.run(words).success
    }

    fn run(&self, words: &[&str]) -> Ran {
        let mut arguments = vec!["exec", "--namespace", NAMESPACE, "node", "--"];
        arguments.push("/byzantine-e2e-tool");
        arguments.extend(words);
        self.0.try_kubectl(&arguments)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", NAMESPACE, "--wait=false"];
        self.0.try_kubectl(&arguments);
    }
}

fn pod() -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: node, namespace: {NAMESPACE}}}
spec:
  hostPID: true
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  containers:
    - name: tool
      image: {TOOL}
      imagePullPolicy: IfNotPresent
      command: [/byzantine-e2e-tool, pause]
      securityContext: {{privileged: true, runAsUser: 0}}
"
    )
}
