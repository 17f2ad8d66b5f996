//! The operator's chart: installed once for all stories, upgraded by those that are about that.

use std::sync::OnceLock;

use crate::cluster::Cluster;
use crate::command;

/// The namespace of the operator.
pub const NAMESPACE: &str = "byzantine-system";

/// The release, and the name of the operator's objects.
pub const RELEASE: &str = "byzantine-operator";

/// The chart's directory.
pub fn path() -> String {
    let root = byzantine_acceptance::programs::repository();
    let chart = root.join("helm/byzantine-operator");
    chart.to_string_lossy().into_owned()
}

/// Installs the operator if this run has not yet, and returns the cluster.
pub fn installed() -> Cluster {
    static INSTALLED: OnceLock<Cluster> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let cluster = Cluster::find();
        upgrade(&[]);
        cluster
    })
}

/// Installs or upgrades the release with these settings, and waits until it is ready.
///
/// # Panics
/// When Helm fails.
pub fn upgrade(settings: &[&str]) -> String {
    let chart = path();
    let mut arguments = vec![
        "upgrade",
        "--install",
        RELEASE,
        &chart,
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--wait",
        "--timeout=3m",
    ];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    command::run("helm", &arguments, "").expected()
}

/// What the chart makes with these settings.
///
/// # Panics
/// When Helm refuses them.
pub fn template(settings: &[&str]) -> String {
    let chart = path();
    let mut arguments = vec!["template", RELEASE, &chart, "--namespace", NAMESPACE];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    command::run("helm", &arguments, "").expected()
}
