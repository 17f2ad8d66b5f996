//! Finding a cluster, and giving images to it.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::command;
use crate::error::XtaskError;
use crate::kind;

/// Names a script that starts a cluster where there is no Docker: `up`, `down`, `load FILE`, and
/// `env`, which prints shell lines that set PATH and KUBECONFIG.
const SCRIPT: &str = "BYZANTINE_CLUSTER_SCRIPT";

/// What kubectl's contexts for clusters of kind begin with.
const KIND_CONTEXT: &str = "kind-";

/// A cluster that answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    origin: Origin,
    /// Whether this run started it.
    ours: bool,
    environment: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// Whatever kubectl reaches; it has the images, or gets them from a registry.
    Given,
    Kind,
    Script(PathBuf),
}

impl Cluster {
    /// The first that answers, or that can be started.
    ///
    /// # Errors
    /// [`XtaskError::NoCluster`] with what each is missing.
    pub(crate) fn find() -> Result<Self, XtaskError> {
        let script = std::env::var_os(SCRIPT).map(PathBuf::from);
        if answers(&[]) {
            let origin = if context().starts_with(KIND_CONTEXT) {
                Origin::Kind
            } else {
                Origin::Given
            };
            return Ok(Self::new(origin, false));
        }
        match (kind::complaint(), script) {
            (None, _) => {
                kind::up()?;
                Ok(Self::new(Origin::Kind, true))
            }
            (Some(_), Some(script)) => Self::of_script(script),
            (Some(_), None) => Err(XtaskError::NoCluster {
                why: Self::complaint().unwrap_or_default(),
            }),
        }
    }

    /// Why there is none, and none can be started; `None` when there is one.
    pub(crate) fn complaint() -> Option<String> {
        if answers(&[]) || std::env::var_os(SCRIPT).is_some() {
            return None;
        }
        let complaint = kind::complaint()?;
        Some(format!(
            "kubectl reaches none, and kind cannot start one: {complaint}"
        ))
    }

    /// Gives it the images of an archive.
    ///
    /// # Errors
    /// That of the program which does it.
    pub(crate) fn load(&self, archive: &PathBuf) -> Result<(), XtaskError> {
        match &self.origin {
            Origin::Given => Ok(()),
            Origin::Kind => kind::load(archive),
            Origin::Script(script) => command::run(Command::new(script).arg("load").arg(archive)),
        }
    }

    /// Lets a program find it.
    pub(crate) fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)))
    }

    /// Stops it, if this run started it.
    ///
    /// # Errors
    /// That of the program which does it.
    pub(crate) fn release(&self) -> Result<(), XtaskError> {
        match &self.origin {
            Origin::Kind if self.ours => kind::run(&kind::KindChore::Down),
            Origin::Script(script) if self.ours => command::run(Command::new(script).arg("down")),
            _ => Ok(()),
        }
    }

    const fn new(origin: Origin, ours: bool) -> Self {
        let environment = Vec::new();
        Self {
            origin,
            ours,
            environment,
        }
    }

    fn of_script(script: PathBuf) -> Result<Self, XtaskError> {
        let environment = environment_of(&script)?;
        let ours = !answers(&environment);
        if ours {
            command::run(Command::new(&script).arg("up"))?;
        }
        Ok(Self {
            origin: Origin::Script(script),
            ours,
            environment,
        })
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Given => write!(formatter, "{}; it must have the images itself", context()),
            Origin::Kind => formatter.write_str("kind"),
            Origin::Script(script) => write!(formatter, "{}", script.display()),
        }
    }
}

fn kubectl(environment: &[(&'static str, String)], arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("kubectl");
    command.args(arguments).arg("--request-timeout=5s");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

fn answers(environment: &[(&'static str, String)]) -> bool {
    kubectl(environment, &["get", "--raw", "/readyz"]).is_some()
}

fn context() -> String {
    kubectl(&[], &["config", "current-context"]).unwrap_or_default()
}

/// What the script's `env` sets.
fn environment_of(script: &PathBuf) -> Result<Vec<(&'static str, String)>, XtaskError> {
    let mut shell = Command::new("bash");
    let lines =
        r#"unset KUBECONFIG; eval "$("$1" env)" && printf '%s\n%s\n' "$PATH" "${KUBECONFIG:-}""#;
    shell.args(["-c", lines, "bash"]).arg(script);
    let output = command::output(&mut shell)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut values = text.lines().map(str::to_owned);
    match (values.next(), values.next()) {
        (Some(path), Some(kubeconfig)) if !kubeconfig.is_empty() => {
            Ok(vec![("PATH", path), ("KUBECONFIG", kubeconfig)])
        }
        _ => Err(XtaskError::NoCluster {
            why: format!("`{} env` sets no PATH and KUBECONFIG", script.display()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_sets_nothing_is_an_error_that_names_it() {
        let error = environment_of(&PathBuf::from("/bin/true")).unwrap_err();
        // The shell has a PATH of its own, so only the missing cluster can be told.
        assert!(error.to_string().contains("/bin/true env"), "{error}");
    }
}
