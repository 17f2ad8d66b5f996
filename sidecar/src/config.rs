//! The sidecar's configuration file: JSON or YAML, camelCase, unknown fields refused.
//!
//! `byz run` and the operator write it, `byzantine-sidecar --config FILE` reads it. Defaults are
//! those of the resource, so that an absent field means the same everywhere.

mod enrolment;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use byzantine_consensus::limits::GATEWAY_KEYS;
use serde::{Deserialize, Serialize};

pub use enrolment::Enrolment;

/// The number of a replica that was not told its number; no membership is so large.
const UNNUMBERED: u8 = u8::MAX;

/// The largest configuration file in bytes.
const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// The largest body limit, in bytes; a request with its head must fit into the core's limit.
pub const MAX_BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Why a configuration cannot be used; each message says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}; name a readable file with --config",
        path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is too large to be a configuration.
    #[error("the configuration {} has {bytes} bytes, more than {MAX_CONFIG_BYTES}; \
        is it the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The text is not a configuration.
    #[error("the configuration {} is not valid: {source}; correct the field named here",
        path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: serde_yaml::Error,
    },
    /// A field's value is outside what makes sense.
    #[error("the configuration has {field}: {found}, which cannot work: {rule}; correct it")]
    Field {
        /// The field, for instance `consensus.requestTimeout`.
        field: &'static str,
        /// Its value.
        found: String,
        /// What must hold.
        rule: &'static str,
    },
}

/// Everything one replica needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// This replica's number in the membership; may be given with `--replica` instead.
    #[serde(default = "unnumbered")]
    pub replica: u8,
    /// The file with the membership's text; with `enrolment`, where it is kept once learned.
    pub membership: PathBuf,
    /// The directory with the secret keys; with `enrolment`, they are made there at first.
    pub keys: PathBuf,
    /// The directory with journal, ledger and lock; one per replica.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// `host:port` of every replica's peer port, by replica number (its own included).
    pub peers: Vec<String>,
    /// The app beside this sidecar.
    pub app: App,
    /// How HTTP is treated; equal on all replicas.
    #[serde(default)]
    pub http: Http,
    /// The agreement's clocks; equal on all replicas.
    #[serde(default)]
    pub consensus: Consensus,
    /// How proofs travel.
    #[serde(default)]
    pub proofs: Proofs,
    /// What is kept on disk.
    #[serde(default)]
    pub storage: Storage,
    /// What is logged, and how.
    #[serde(default)]
    pub log: Log,
    /// How to become a member; absent where keys and membership are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<Enrolment>,
}

/// The sockets to listen on; port 0 takes a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listen {
    /// The gateway: HTTP/1.1 and h2c for clients.
    pub http: SocketAddr,
    /// The other replicas: TLS 1.3.
    pub peer: SocketAddr,
    /// Read-only administration: metrics, health, status.
    pub admin: SocketAddr,
}

/// The app beside this sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct App {
    /// `host:port` of the app's HTTP server.
    pub address: String,
    /// A file whose content changes with every start of the app process.
    #[serde(default)]
    pub instance_file: Option<PathBuf>,
    /// A path without side effects that answers 2xx when the app is well.
    #[serde(default = "default_health_path")]
    pub health_path: String,
    /// After this long a response counts as lost on this replica.
    #[serde(default = "default_app_timeout", with = "duration_text")]
    pub timeout: Duration,
    /// What the app keeps, and how it is brought up to date after a restart.
    #[serde(default)]
    pub state: AppState,
}

/// What the app keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppState {
    /// The kind of state.
    #[serde(default, rename = "type")]
    pub kind: StateKind,
    /// Where a durable app tells the last ordinal it applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_path: Option<String>,
    /// Where the app gives (GET) and takes (PUT) its whole state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_path: Option<String>,
}

/// How an app keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum StateKind {
    /// It keeps none.
    None,
    /// In memory: it is rebuilt by replaying all calls.
    #[default]
    Memory,
    /// On disk, with the ordinal of the last call and its response.
    Durable,
}

/// How HTTP is treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Http {
    /// The largest request or response body in bytes.
    pub max_body_bytes: usize,
    /// How long an answer belongs to a client's `Idempotency-Key`.
    #[serde(with = "duration_text")]
    pub key_retention: Duration,
    /// How many keys that requests through one replica brought are remembered at once. All
    /// replicas must have the same number, or they differ about what ran.
    pub gateway_keys: u32,
    /// Request headers that are not forwarded.
    pub drop_request_headers: Vec<String>,
    /// Response headers that are dropped.
    pub drop_response_headers: Vec<String>,
    /// Request headers that the leaf's request digest covers besides the fixed ones.
    pub covered_request_headers: Vec<String>,
    /// Paths passed to this replica's app without ordering or proof.
    pub unordered_paths: Vec<String>,
    /// Origins whose pages may read responses.
    pub cors_allow_origins: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            key_retention: Duration::from_hours(24),
            gateway_keys: GATEWAY_KEYS,
            drop_request_headers: Vec::new(),
            drop_response_headers: Vec::new(),
            covered_request_headers: Vec::new(),
            unordered_paths: Vec::new(),
            cors_allow_origins: Vec::new(),
        }
    }
}

/// The agreement's clocks and intervals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Consensus {
    /// A known request that is not committed after this long makes its primary suspect.
    #[serde(with = "duration_text")]
    pub request_timeout: Duration,
    /// A view change that takes longer is given up for the next view.
    #[serde(with = "duration_text")]
    pub view_change_timeout: Duration,
    /// Sequences between stable checkpoints.
    pub checkpoint_interval: u64,
    /// How far a proposed time may lie from the own clock.
    #[serde(with = "duration_text")]
    pub clock_bound: Duration,
}

impl Default for Consensus {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(2),
            view_change_timeout: Duration::from_secs(4),
            checkpoint_interval: 128,
            clock_bound: Duration::from_secs(1),
        }
    }
}

/// What is kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Storage {
    /// How long bodies are kept at least, in agreed time; longer while a replay or a client with
    /// its key may need them.
    #[serde(with = "duration_text")]
    pub keep_bodies: Duration,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            keep_bodies: Duration::from_hours(24),
        }
    }
}

/// How proofs travel to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Proofs {
    /// In the header, behind a link, or whichever fits.
    pub transport: ProofTransport,
}

/// Where a client finds the proof of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProofTransport {
    /// In the header up to 3 kB, behind a link above.
    #[default]
    Auto,
    /// Always in the header.
    Inline,
    /// Always behind a link.
    Link,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Log {
    /// One JSON object or one readable line an event.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter of `tracing-subscriber`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: "info".to_owned(),
        }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// Readable lines.
    Text,
    /// One JSON object a line.
    #[default]
    Json,
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// Any [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_for(path, None)
    }

    /// Reads and checks a configuration file that all replicas share, for the replica of that
    /// number.
    ///
    /// # Errors
    /// Any [`ConfigError`].
    pub fn load_for(path: &Path, replica: Option<u8>) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
        if bytes > MAX_CONFIG_BYTES {
            let path = path.to_owned();
            return Err(ConfigError::TooLarge { path, bytes });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let parsed: Result<Self, _> = serde_yaml::from_str(&text);
        let mut config = parsed.map_err(|source| ConfigError::Malformed {
            path: path.to_owned(),
            source,
        })?;
        config.replica = replica.unwrap_or(config.replica);
        config.check()?;
        Ok(config)
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`ConfigError::Field`] names the first field that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.replica == UNNUMBERED {
            let rule = "name this replica's number here or with --replica";
            return Err(refused("replica", &"nothing", rule));
        }
        if let Some(enrolment) = &self.enrolment {
            enrolment.check()?;
        }
        self.check_app()?;
        let body = self.http.max_body_bytes;
        if !(1..=MAX_BODY_LIMIT).contains(&body) {
            let rule = "1 byte to 8 MiB are supported";
            return Err(refused("http.maxBodyBytes", &body, rule));
        }
        let interval = self.consensus.checkpoint_interval;
        if !(8..=4096).contains(&interval) {
            let rule = "8 to 4096 sequences are supported";
            return Err(refused("consensus.checkpointInterval", &interval, rule));
        }
        self.check_durations()
    }

    fn check_app(&self) -> Result<(), ConfigError> {
        let state = &self.app.state;
        if state.kind == StateKind::Durable && state.applied_path.is_none() {
            let rule = "Durable needs app.state.appliedPath, where the app tells its last ordinal";
            return Err(refused("app.state.type", &"Durable", rule));
        }
        let paths = [
            ("app.healthPath", Some(&self.app.health_path)),
            ("app.state.appliedPath", state.applied_path.as_ref()),
            ("app.state.snapshotPath", state.snapshot_path.as_ref()),
        ];
        for (field, path) in paths {
            if let Some(path) = path.filter(|path| !path.starts_with('/')) {
                return Err(refused(field, path, "a path starts with /"));
            }
        }
        let open = state.snapshot_path.as_ref();
        if let Some(path) = open.filter(|path| self.http.unordered_paths.contains(path)) {
            let rule = "clients must not reach app.state.snapshotPath";
            return Err(refused("http.unorderedPaths", path, rule));
        }
        Ok(())
    }

    fn check_durations(&self) -> Result<(), ConfigError> {
        let (lowest, highest) = (Duration::from_millis(10), Duration::from_hours(24));
        let durations = [
            ("app.timeout", self.app.timeout),
            ("consensus.requestTimeout", self.consensus.request_timeout),
            (
                "consensus.viewChangeTimeout",
                self.consensus.view_change_timeout,
            ),
            ("consensus.clockBound", self.consensus.clock_bound),
        ];
        for (field, found) in durations {
            if !(lowest..=highest).contains(&found) {
                let found = humantime::format_duration(found);
                return Err(refused(field, &found, "10ms to 1day are supported"));
            }
        }
        Ok(())
    }
}

fn refused(field: &'static str, found: &impl std::fmt::Display, rule: &'static str) -> ConfigError {
    let found = found.to_string();
    ConfigError::Field { field, found, rule }
}

fn unnumbered() -> u8 {
    UNNUMBERED
}

fn default_health_path() -> String {
    "/healthz".to_owned()
}

fn default_app_timeout() -> Duration {
    Duration::from_secs(30)
}

/// Durations as people write them: `30s`, `1h 30m`.
mod duration_text {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = humantime::parse_duration(&text);
        let refused = |error| format!("`{text}` is no duration such as 30s or 2h ({error})");
        duration.map_err(|error| D::Error::custom(refused(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "
replica: 1
membership: m
keys: k
data: d
listen: {http: '127.0.0.1:0', peer: '127.0.0.1:0', admin: '127.0.0.1:0'}
peers: ['a:1', 'b:1', 'c:1', 'd:1']
app: {address: '127.0.0.1:8080'}
";

    fn load(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sidecar.yaml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    #[test]
    fn absent_fields_have_the_defaults_of_the_resource() {
        let config = load(LEAST).unwrap();
        assert_eq!(config.app.timeout, Duration::from_secs(30));
        assert_eq!(config.app.state.kind, StateKind::Memory);
        assert_eq!(config.consensus.checkpoint_interval, 128);
        assert_eq!(config.http.key_retention, Duration::from_hours(24));
        assert_eq!(config.proofs.transport, ProofTransport::Auto);
    }

    #[test]
    fn json_and_its_own_output_are_read_back() {
        let config = load(LEAST).unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(load(&json).unwrap(), config);
    }

    #[test]
    fn a_shared_file_is_read_for_one_replica() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sidecar.yaml");
        std::fs::write(&path, LEAST.replace("replica: 1", "")).unwrap();
        assert_eq!(Config::load_for(&path, Some(3)).unwrap().replica, 3);
        let error = Config::load(&path).unwrap_err().to_string();
        assert!(error.contains("--replica"), "{error}");
    }

    #[test]
    fn wrong_fields_are_named() {
        let cases = [
            ("colour: red", "colour"),
            ("consensus: {requestTimeout: soon}", "`soon` is no duration"),
            ("consensus: {requestTimeout: 1us}", "requestTimeout"),
            ("consensus: {checkpointInterval: 1}", "checkpointInterval"),
            ("http: {maxBodyBytes: 0}", "maxBodyBytes"),
            ("http: {maxBodyByte: 9}", "maxBodyByte"),
        ];
        for (line, name) in cases {
            let error = load(&format!("{LEAST}{line}\n")).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let durable = LEAST.replace("8080'}", "8080', state: {type: Durable}}");
        assert!(
            load(&durable)
                .unwrap_err()
                .to_string()
                .contains("appliedPath")
        );
    }
}
