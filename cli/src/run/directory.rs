//! The data directory of `byz run`: whose it is, keys, membership, policy.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use byzantine_proof::{Member, Membership, Policy, ReplicaId, ServiceName};
use byzantine_sidecar::keystore::Keystore;

use super::plan::Plan;
use crate::data::{Identity, SERVICE_FILE, ServiceRecord};
use crate::error::CliError;
use crate::files;

/// Held while a run uses the directory.
const LOCK_FILE: &str = "LOCK";

/// A directory that is ours and that no other run uses.
pub(super) struct Claim {
    path: PathBuf,
    lock: File,
}

/// An open data directory.
pub(super) struct RunDirectory {
    path: PathBuf,
    membership: Membership,
    /// The lock lasts as long as this.
    _lock: File,
}

impl Claim {
    /// Makes the directory, or checks that the same service runs in it.
    pub(super) fn new(plan: &Plan) -> Result<Self, CliError> {
        let path = plan.directory.clone();
        check_ours(&path)?;
        create(&path)?;
        let lock = lock(&path)?;
        if !plan.fresh && path.join(SERVICE_FILE).exists() {
            let theirs = ServiceRecord::read(&path)?.identity;
            check_same(&path, &theirs, &record(plan).identity)?;
        }
        Ok(Self { path, lock })
    }

    /// Writes what is missing: the record, keys, membership and policy.
    pub(super) fn establish(self, plan: &Plan) -> Result<RunDirectory, CliError> {
        let Self { path, lock } = self;
        if plan.fresh {
            clear(&path)?;
        }
        record(plan).write(&path)?;
        // Also those that somebody took away: a replica that lost its data is no reason for the
        // others not to run.
        for replica in 0..plan.replicas() {
            let directory = ReplicaDirectory(path.join(format!("replica-{replica}")));
            create(&directory.app())?;
            create(&directory.ledger())?;
        }
        let membership = membership(plan, &path)?;
        let policy = Policy::of(&membership).to_string();
        files::write_atomically(&path.join("policy"), policy.as_bytes())?;
        Ok(RunDirectory {
            path,
            membership,
            _lock: lock,
        })
    }
}

impl RunDirectory {
    pub(super) fn membership(&self) -> &Membership {
        &self.membership
    }

    pub(super) fn membership_file(&self) -> PathBuf {
        self.path.join("membership")
    }

    pub(super) fn policy_file(&self) -> PathBuf {
        self.path.join("policy")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn replica(&self, replica: usize) -> ReplicaDirectory {
        ReplicaDirectory(self.path.join(format!("replica-{replica}")))
    }
}

/// `DIR/replica-I`.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaDirectory(pub(crate) PathBuf);

impl ReplicaDirectory {
    pub(super) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }

    /// The app's working directory.
    pub(super) fn app(&self) -> PathBuf {
        self.0.join("app")
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.0.join("sidecar.json")
    }

    /// Changes with every start of the app.
    pub(super) fn instance(&self) -> PathBuf {
        self.0.join("instance")
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

/// Nothing that somebody else put there is ever touched.
fn check_ours(path: &Path) -> Result<(), CliError> {
    let Ok(mut entries) = fs::read_dir(path) else {
        return Ok(());
    };
    let ours = path.join(SERVICE_FILE).exists() || path.join(LOCK_FILE).exists();
    if ours || entries.next().is_none() {
        Ok(())
    } else {
        Err(CliError::NotOurs {
            directory: path.to_owned(),
        })
    }
}

fn create(path: &Path) -> Result<(), CliError> {
    fs::create_dir_all(path).map_err(|source| CliError::Write {
        path: path.to_owned(),
        source,
    })
}

fn lock(path: &Path) -> Result<File, CliError> {
    let file = path.join(LOCK_FILE);
    let failed = |source| CliError::Write {
        path: file.clone(),
        source,
    };
    let lock = File::create(&file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(CliError::DataInUse {
            directory: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes everything but the lock.
fn clear(path: &Path) -> Result<(), CliError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CliError::Write { path, source }
    };
    for entry in fs::read_dir(path).map_err(failed(path))? {
        let entry = entry.map_err(failed(path))?.path();
        if entry.ends_with(LOCK_FILE) {
            continue;
        }
        let removed = if entry.is_dir() {
            fs::remove_dir_all(&entry)
        } else {
            fs::remove_file(&entry)
        };
        removed.map_err(failed(&entry))?;
    }
    Ok(())
}

fn record(plan: &Plan) -> ServiceRecord {
    let (service, spec) = (&plan.service, &plan.service.spec);
    ServiceRecord {
        identity: Identity {
            name: service.metadata.name.clone(),
            namespace: service.namespace().to_owned(),
            domain: spec.proofs.domain.clone(),
            replicas: plan.replicas(),
            fault_tolerance: plan.faults_tolerated(),
            reply_quorum: spec.reply_quorum(),
            state: spec.app.state.kind.as_str().to_owned(),
            http: serde_json::to_string(&spec.http).unwrap_or_default(),
            command: plan.command.words().to_vec(),
        },
        port: plan.port,
    }
}

fn check_same(path: &Path, theirs: &Identity, ours: &Identity) -> Result<(), CliError> {
    match theirs.first_difference(ours) {
        None => Ok(()),
        Some((what, theirs, ours)) => Err(CliError::ForeignData {
            directory: path.to_owned(),
            what,
            theirs,
            ours,
        }),
    }
}

/// The membership on disk, or a new one over the replicas' keys.
fn membership(plan: &Plan, path: &Path) -> Result<Membership, CliError> {
    let file = path.join("membership");
    let unusable = |source| CliError::Membership { source };
    if file.exists() {
        return Membership::parse(&files::read_text(&file)?).map_err(unusable);
    }
    let service = &plan.service;
    let (name, domain) = (&service.metadata.name, &service.spec.proofs.domain);
    let name = ServiceName::new(name, service.namespace(), domain).map_err(unusable)?;
    let members: Result<Vec<Member>, CliError> = (0..plan.replicas())
        .map(|replica| member(path, replica))
        .collect();
    let small = |size: u32| u8::try_from(size).unwrap_or(u8::MAX);
    let (faults, quorum) = (
        small(service.spec.fault_tolerance),
        small(service.spec.reply_quorum()),
    );
    let membership = Membership::new(name, 0, faults, quorum, members?).map_err(unusable)?;
    files::write_atomically(&file, membership.to_text().as_bytes())?;
    Ok(membership)
}

fn member(path: &Path, replica: usize) -> Result<Member, CliError> {
    let directory = ReplicaDirectory(path.join(format!("replica-{replica}")));
    let id = ReplicaId(u8::try_from(replica).unwrap_or(u8::MAX));
    if directory.keys().exists() {
        if let Ok(keys) = Keystore::load(&directory.keys()) {
            return Ok(keys.member(id));
        }
        // A first start was cut short: no membership names these keys yet.
        let failed = |source| CliError::Write {
            path: directory.keys(),
            source,
        };
        fs::remove_dir_all(directory.keys()).map_err(failed)?;
    }
    Ok(Keystore::generate(&directory.keys())?.member(id))
}
