//! What `byz run` records about a service, and finding it again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::files;
use crate::run::gateway_port;

/// The record's file name.
pub(crate) const SERVICE_FILE: &str = "service.json";

/// Where `byz run` keeps services unless told otherwise.
const DEFAULT_PLACE: &str = ".byzantine";

/// What makes two runs runs of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) domain: String,
    pub(crate) replicas: usize,
    pub(crate) fault_tolerance: usize,
    pub(crate) reply_quorum: u32,
    pub(crate) state: String,
    /// `spec.http`, which decides what requests and answers are.
    pub(crate) http: String,
    pub(crate) command: Vec<String>,
}

impl Identity {
    /// The first part that differs: its name, this value and the other.
    pub(crate) fn first_difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let parts = [
            (
                "the command",
                self.command.join(" "),
                other.command.join(" "),
            ),
            ("the name", self.name.clone(), other.name.clone()),
            (
                "the namespace",
                self.namespace.clone(),
                other.namespace.clone(),
            ),
            (
                "the proof domain",
                self.domain.clone(),
                other.domain.clone(),
            ),
            (
                "the number of replicas",
                self.replicas.to_string(),
                other.replicas.to_string(),
            ),
            (
                "the number of faults",
                self.fault_tolerance.to_string(),
                other.fault_tolerance.to_string(),
            ),
            (
                "the reply quorum",
                self.reply_quorum.to_string(),
                other.reply_quorum.to_string(),
            ),
            ("the app's state", self.state.clone(), other.state.clone()),
            ("spec.http", self.http.clone(), other.http.clone()),
        ];
        parts.into_iter().find(|(_, ours, theirs)| ours != theirs)
    }
}

/// `DIR/service.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServiceRecord {
    pub(crate) identity: Identity,
    /// The first gateway's port of the last run.
    pub(crate) port: u16,
}

impl ServiceRecord {
    pub(crate) fn read(directory: &Path) -> Result<Self, CliError> {
        let path = directory.join(SERVICE_FILE);
        let text = files::read_text(&path)?;
        let damaged = |error: serde_json::Error| CliError::DamagedData {
            path: path.clone(),
            why: error.to_string(),
        };
        serde_json::from_str(&text).map_err(damaged)
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(self).expect("text and numbers always serialise");
        files::write_atomically(&directory.join(SERVICE_FILE), text.as_bytes())
    }

    /// The gateways' addresses.
    pub(crate) fn gateways(&self) -> Vec<String> {
        self.addresses(0)
    }

    /// The administration ports' addresses.
    pub(crate) fn admins(&self) -> Vec<String> {
        self.addresses(2)
    }

    fn addresses(&self, offset: u16) -> Vec<String> {
        let port = |replica| gateway_port(self.port, replica) + offset;
        (0..self.identity.replicas)
            .map(|i| format!("http://127.0.0.1:{}", port(i)))
            .collect()
    }
}

/// The data directory that was named, or the only one in its default place.
///
/// # Errors
/// [`CliError::NoData`].
pub(crate) fn find(named: Option<&Path>) -> Result<PathBuf, CliError> {
    let is_data = |path: &Path| path.join(SERVICE_FILE).exists();
    let absent = |directory: &Path, next| CliError::NoData {
        directory: directory.to_owned(),
        next,
    };
    if let Some(directory) = named {
        return if is_data(directory) {
            Ok(directory.to_owned())
        } else {
            Err(absent(
                directory,
                "name the directory that `byz run` uses with --data",
            ))
        };
    }
    let place = Path::new(DEFAULT_PLACE);
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| is_data(path))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(absent(
            place,
            "several services are there: choose with --data",
        )),
        (None, _) => Err(absent(
            place,
            "start a service with `byz run`, or use --data DIR",
        )),
    }
}
