//! The cluster under test: `kubectl`, and nothing that `kubectl` cannot do.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{self, Ran};

/// Between two looks at something that `kubectl wait` cannot express.
const PAUSE: Duration = Duration::from_millis(300);

/// The cluster that the kubeconfig names.
#[derive(Debug, Clone, Copy)]
pub struct Cluster(());

impl Cluster {
    /// The cluster, if one answers.
    ///
    /// # Panics
    /// When none does, with what to do.
    pub fn find() -> Self {
        let ran = command::run("kubectl", &["get", "--raw", "/readyz"], "");
        assert!(
            ran.success,
            "no cluster answers: set KUBECONFIG, or run `cargo xtask e2e`, which finds one or \
             starts one\n{}",
            ran.errors
        );
        Self(())
    }

    /// Runs `kubectl`, however it ends.
    pub fn try_kubectl(self, arguments: &[&str]) -> Ran {
        command::run("kubectl", arguments, "")
    }

    /// Runs `kubectl`, which must succeed.
    ///
    /// # Panics
    /// When it fails.
    pub fn kubectl(self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).expected()
    }

    /// An object or a list as JSON, if the API server has it.
    ///
    /// # Panics
    /// When the API server fails otherwise.
    pub fn find_json(self, arguments: &[&str]) -> Option<Value> {
        let mut all = vec!["get", "--output=json", "--ignore-not-found"];
        all.extend(arguments);
        let text = self.kubectl(&all);
        (!text.trim().is_empty()).then(|| parsed(&text))
    }

    /// An object or a list as JSON.
    ///
    /// # Panics
    /// When there is none.
    pub fn json(self, arguments: &[&str]) -> Value {
        let mut all = vec!["get", "--output=json"];
        all.extend(arguments);
        parsed(&self.kubectl(&all))
    }

    /// Applies a manifest as a user would, however it ends.
    pub fn try_apply(self, manifest: &str) -> Ran {
        command::run("kubectl", &["apply", "--filename=-"], manifest)
    }

    /// Applies a manifest that must be accepted.
    ///
    /// # Panics
    /// When it is refused.
    pub fn apply(self, manifest: &str) -> String {
        self.try_apply(manifest).expected()
    }

    /// Waits for a condition in the words of `kubectl wait`.
    ///
    /// # Panics
    /// When it does not come true in time; the object is shown.
    pub fn wait(self, namespace: &str, object: &str, condition: &str, limit: Duration) {
        let arguments = [
            "wait",
            object,
            &format!("--for={condition}"),
            &format!("--namespace={namespace}"),
            &format!("--timeout={}s", limit.as_secs()),
        ];
        let ran = self.try_kubectl(&arguments);
        if !ran.success {
            let described = self.try_kubectl(&["describe", object, "--namespace", namespace]);
            panic!("{}: {}\n{}", ran.line, ran.errors, described.output);
        }
    }

    /// The log of a container.
    pub fn log(self, namespace: &str, pod: &str, container: &str) -> String {
        let arguments = [
            "logs",
            "--namespace",
            namespace,
            pod,
            "--container",
            container,
        ];
        self.try_kubectl(&arguments).output
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("kubectl writes JSON")
}

/// Looks until `seen` gives a value.
///
/// # Panics
/// When the limit passes; `what` says what was waited for.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut seen: impl FnMut() -> Result<T, String>,
) -> T {
    let started = Instant::now();
    loop {
        match seen() {
            Ok(value) => return value,
            Err(last) => assert!(
                started.elapsed() < limit,
                "after {limit:?} still not: {what}; the last seen: {last}"
            ),
        }
        std::thread::sleep(PAUSE);
    }
}
