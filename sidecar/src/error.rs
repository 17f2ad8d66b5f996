//! Why a sidecar cannot start or had to stop; every message says what to do next.

use std::net::SocketAddr;
use std::path::PathBuf;

use byzantine_proof::ProofError;

use crate::config::ConfigError;
use crate::keystore::KeystoreError;
use crate::ledger::LedgerError;
use crate::snapshots::SnapshotError;

/// Why a sidecar cannot start or had to stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SidecarError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The secret keys cannot be used.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The snapshots of the app's state cannot be kept.
    #[error(transparent)]
    Snapshots(#[from] SnapshotError),
    /// The membership file cannot be read.
    #[error("cannot read the membership {}: {source}; `membership` in the configuration must \
        name the file that `byz run` or the operator wrote", path.display())]
    MembershipUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The membership's text is not valid.
    #[error("the membership {} is not valid: {source}; copy it unchanged from another replica",
        path.display())]
    Membership {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ProofError,
    },
    /// The configuration and the membership do not fit together.
    #[error(
        "replica {replica} is not one of the {members} members; correct `replica` in the \
        configuration"
    )]
    NotAMember {
        /// The configured number.
        replica: u8,
        /// How many members there are.
        members: usize,
    },
    /// As many peer addresses as members are needed.
    #[error(
        "`peers` lists {found} addresses for {members} members; list host:port of every \
        replica, by its number"
    )]
    PeerAddresses {
        /// How many are listed.
        found: usize,
        /// How many members there are.
        members: usize,
    },
    /// A key on disk is not the one that the membership pins.
    #[error("the {key} key in {} is not the one the membership lists for replica {replica}; \
        `keys`, `replica` and `membership` must belong together", directory.display())]
    ForeignKey {
        /// `vote`, `cosigner` or `link`.
        key: &'static str,
        /// The key directory.
        directory: PathBuf,
        /// The configured number.
        replica: u8,
    },
    /// A damaged ledger cannot be moved out of the way.
    #[error("the ledger in {} is damaged and cannot be set aside: {source}; check that the \
        directory is writable, or move what is in it away yourself", path.display())]
    SetAside {
        /// The data directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory cannot be used.
    #[error("cannot use the data directory {}: {source}; check that it exists and is writable",
        path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another sidecar runs on the data directory.
    #[error("another process uses the data directory {}; stop it first: two replicas with one \
        ledger would contradict each other", path.display())]
    DataDirectoryInUse {
        /// The directory.
        path: PathBuf,
    },
    /// A port cannot be listened on.
    #[error(
        "cannot listen on {address} for {purpose}: {source}; free the port or choose \
        another in `listen`"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// `clients`, `peers` or `administration`.
        purpose: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The journal cannot be read or written. Nothing may be sent without it.
    #[error("the journal in {} failed: {source}; check the disk's health and free space, then \
        start again", path.display())]
    Journal {
        /// The journal's directory.
        path: PathBuf,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The mark beside the keys cannot be written. Without it a lost journal would go unnoticed.
    #[error("cannot write {}: {source}; the directory of the keys must be writable",
        path.display())]
    Mark {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// TLS could not be set up from the link key.
    #[error("cannot make a TLS identity from the link key: {source}; make the keys anew")]
    Tls {
        /// What the library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A thread or runtime could not be started.
    #[error("the system refused a thread: {source}; raise the limit on threads and start again")]
    Thread {
        /// What the system said.
        source: std::io::Error,
    },
    /// The driver's thread ended without having been asked to: a defect of this program.
    #[error("the driver stopped unexpectedly; keep the log and the data directory and report it")]
    DriverLost,
    /// The executor ended without having been asked to: a defect of this program.
    #[error("the executor stopped unexpectedly; keep the log and report it")]
    ExecutorLost,
    /// The administration port ended without having been asked to: a defect of this program.
    #[error("the administration port closed unexpectedly; keep the log and report it")]
    AdministrationLost,
    /// The metrics could not be set up: a defect of this program.
    #[error("a metric could not be registered: {source}; this is a defect, report it")]
    Metrics {
        /// What the library said.
        source: prometheus::Error,
    },
}
