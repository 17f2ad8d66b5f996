//! One whole sidecar, from its configuration to its graceful end.
//!
//! Order matters at both ends: nothing listens before disk and keys are known to be good, and
//! the gateway ends first, the driver second, so that what was accepted is answered.

mod keeping;

use std::fs::{File, TryLockError};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use byzantine_consensus::{Keys, Record};
use byzantine_proof::{Membership, ReplicaId, RequestFields};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::admin::{Admin, Reporter, WaitingAdmin};
use crate::canonical::RequestRules;
use crate::config::{self, Config, ConfigError};
use crate::courier::Courier;
use crate::driver::{self, CallHistory, DriverParts, JournalLog, Snapshot};
use crate::enrolment::{Credentials, Enroller};
use crate::error::SidecarError;
use crate::executor::{Executor, ExecutorParts};
use crate::gateway::{Gateway, GatewayParts};
use crate::interposer::{Interposer, Isolation};
use crate::keystore::Keystore;
use crate::ledger::Ledger;
use crate::memory::{self, Memory};
use crate::peers::{Neighbourhood, PeerEvents, Peers};
use crate::respond::Responder;
use crate::set_aside;
use crate::shutdown::Signals;
use crate::snapshots::Snapshots;
use crate::status::EnrolmentStatus;
use crate::submission::{AppHealth, Driver, ExecutorPort, OutcomeSender};
use crate::telemetry::Telemetry;

/// How long the gateway may take to answer what it has accepted.
const DRAIN: Duration = Duration::from_secs(10);

/// Batches and outcomes between driver and executor; the driver keeps what does not fit.
const EXECUTION_QUEUE: usize = 64;

/// Runs a sidecar until SIGINT or SIGTERM, or until it cannot go on.
///
/// # Errors
/// Any [`SidecarError`].
pub async fn run(config: Config, interposer: Box<dyn Interposer>) -> Result<(), SidecarError> {
    let signals = Signals::new()?;
    run_until(config, interposer, signals.first()).await
}

/// Runs a sidecar until `stop` resolves, or until it cannot go on.
///
/// # Errors
/// Any [`SidecarError`].
pub async fn run_until(
    config: Config,
    interposer: Box<dyn Interposer>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), SidecarError> {
    config.check()?;
    // Whoever holds the lock owns all that lies beside it.
    let lock = lock_directory(&config.data)?;
    let mut stop = Box::pin(stop);
    let (credentials, admin) = match &config.enrolment {
        None => (given(&config)?, None),
        Some(settings) => {
            let listener = bind(config.listen.admin, "administration").await?;
            let enrolled = tokio::select! {
                enrolled = enrolled(&config, settings, &listener) => enrolled?,
                () = &mut stop => return Ok(()),
            };
            (enrolled, Some(listener))
        }
    };
    let _affirming = affirming(&config, &credentials)?;
    let foundation = Foundation::lay(config, credentials, lock)?;
    let listeners = Listeners::bind(&foundation.config, admin).await?;
    let running = foundation.start(listeners, Arc::from(interposer))?;
    running.until(stop).await
}

/// The credentials that lie ready.
fn given(config: &Config) -> Result<Credentials, SidecarError> {
    Ok(Credentials {
        membership: load_membership(&config.membership)?,
        keys: Keystore::load(&config.keys)?,
        confirmed: true,
    })
}

/// Waits until this replica is a member, and says meanwhile why it is not.
async fn enrolled(
    config: &Config,
    settings: &config::Enrolment,
    listener: &TcpListener,
) -> Result<Credentials, SidecarError> {
    let (progress, seen) = watch::channel(EnrolmentStatus::default());
    let enroller = Enroller::new(config, settings, progress)?;
    let admin = WaitingAdmin {
        service: settings.service.clone(),
        replica: config.replica,
        progress: seen,
    };
    tokio::select! {
        credentials = enroller.run() => Ok(credentials),
        () = admin.serve(listener) => Err(SidecarError::AdministrationLost),
    }
}

/// Starts to tell the operator what only the volume has said so far; ends when dropped.
fn affirming(config: &Config, credentials: &Credentials) -> Result<JoinSet<()>, SidecarError> {
    let mut affirming = JoinSet::new();
    if let Some(settings) = config.enrolment.as_ref().filter(|_| !credentials.confirmed) {
        let (progress, _) = watch::channel(EnrolmentStatus::default());
        let enroller = Enroller::new(config, settings, progress)?;
        affirming.spawn(enroller.affirm(credentials.clone()));
    }
    Ok(affirming)
}

/// What must be good before anything listens.
struct Foundation {
    config: Config,
    membership: Arc<Membership>,
    replica: ReplicaId,
    keys: Keystore,
    covered: RequestFields,
    /// Held until the process ends.
    lock: File,
}

/// The three ports.
struct Listeners {
    http: TcpListener,
    peer: TcpListener,
    admin: TcpListener,
}

/// What lies on disk, and what is told of it.
struct Stores {
    telemetry: Arc<Telemetry>,
    ledger: Arc<Ledger>,
    snapshots: Arc<Snapshots>,
    history: Arc<CallHistory>,
    journal: JournalLog,
    records: Vec<Record>,
}

/// The ends of a started driver.
struct DriverEnds {
    gateway: Driver,
    port: ExecutorPort,
    courier: Courier,
    thread: std::thread::JoinHandle<Result<(), SidecarError>>,
}

/// A sidecar at work.
struct Running {
    gateway: Gateway,
    http: TcpListener,
    stop_driver: mpsc::Sender<()>,
    driver: oneshot::Receiver<Result<(), SidecarError>>,
    executor: tokio::task::JoinHandle<()>,
    courier: tokio::task::JoinHandle<()>,
    admin: tokio::task::JoinHandle<()>,
    _lock: File,
}

impl Foundation {
    fn lay(config: Config, credentials: Credentials, lock: File) -> Result<Self, SidecarError> {
        let Credentials {
            membership, keys, ..
        } = credentials;
        let replica = ReplicaId(config.replica);
        let members = membership.n();
        if config.peers.len() != members {
            let found = config.peers.len();
            return Err(SidecarError::PeerAddresses { found, members });
        }
        check_keys(&config, &membership, &keys)?;
        let covered = covered_fields(&config)?;
        Ok(Self {
            membership: Arc::new(membership),
            replica,
            keys,
            covered,
            lock,
            config,
        })
    }

    fn start(
        self,
        listeners: Listeners,
        interposer: Arc<dyn Interposer>,
    ) -> Result<Running, SidecarError> {
        let stores = self.stores()?;
        let telemetry = Arc::clone(&stores.telemetry);
        let (health, seen_health) = watch::channel(AppHealth::default());
        let (snapshot, seen_snapshot) = watch::channel(Snapshot::default());
        let (stop_driver, stop) = mpsc::channel(1);
        let admin = Admin {
            reporter: self.reporter(&stores, seen_health),
            telemetry: Arc::clone(&telemetry),
            snapshot: seen_snapshot,
        };
        let (history, shared) = (Arc::clone(&stores.history), Arc::clone(&interposer));
        let snapshots = Arc::clone(&stores.snapshots);
        let ends = self.drive(stores, listeners.peer, shared, (snapshot, stop))?;
        let past = (history, snapshots);
        let executor = self.executor(ends.port, past, health, &interposer, &telemetry);
        Ok(Running {
            gateway: self.gateway(ends.gateway, interposer, telemetry),
            http: listeners.http,
            stop_driver,
            driver: ended(ends.thread)?,
            executor: tokio::spawn(executor.run()),
            courier: tokio::spawn(ends.courier.run()),
            admin: tokio::spawn(admin.serve(listeners.admin)),
            _lock: self.lock,
        })
    }

    fn stores(&self) -> Result<Stores, SidecarError> {
        let telemetry = Arc::new(Telemetry::new(&self.membership)?);
        let ledger = set_aside::ledger(&self.config.data, &self.membership, self.replica)?;
        let ledger = Arc::new(ledger);
        let memory = Memory {
            journal: self.config.data.join("journal"),
            mark: self.config.keys.join(memory::MARK),
            replica: self.replica,
        };
        let (journal, records) = memory.recall(&ledger, &telemetry)?;
        Ok(Stores {
            telemetry,
            snapshots: Arc::new(Snapshots::open(self.config.data.join("snapshots"))?),
            history: Arc::new(CallHistory::new(Arc::clone(&ledger))),
            ledger,
            journal,
            records,
        })
    }

    /// Starts the links and the driver between them, the gateway and the executor.
    fn drive(
        &self,
        stores: Stores,
        listener: TcpListener,
        interposer: Arc<dyn Interposer>,
        (snapshot, stop): (watch::Sender<Snapshot>, mpsc::Receiver<()>),
    ) -> Result<DriverEnds, SidecarError> {
        let Stores {
            telemetry,
            ledger,
            snapshots,
            history,
            journal,
            records,
        } = stores;
        let (courier, parcels, orders) = self.courier(&ledger, &snapshots);
        let (gateway, submissions, announce) = Driver::channel(
            Arc::clone(&self.membership),
            Arc::clone(&ledger),
            self.patience(),
        );
        let (executions, to_run) = mpsc::channel(EXECUTION_QUEUE);
        let (outcomes, from_executor) = OutcomeSender::channel(EXECUTION_QUEUE);
        let (diverged, heard_diverged) = watch::channel(None);
        let (peers, peer_events) = self.peers(listener, interposer.isolation())?;
        let thread = driver::spawn(DriverParts {
            config: self.core(),
            authority: Arc::new(self.authority()),
            journal,
            records,
            ledger,
            history,
            peers,
            peer_events,
            submissions,
            announce,
            executions,
            outcomes: from_executor,
            diverged,
            snapshot,
            interposer,
            telemetry,
            stop,
            courier: parcels,
            orders,
            retained: self.retained(snapshots),
        })?;
        let port = ExecutorPort {
            executions: to_run,
            outcomes,
            diverged: heard_diverged,
        };
        Ok(DriverEnds {
            gateway,
            port,
            courier,
            thread,
        })
    }

    /// How long a client may have to wait: its app's time, and a few changes of the primary.
    fn patience(&self) -> Duration {
        let consensus = &self.config.consensus;
        self.config.app.timeout + (consensus.request_timeout + consensus.view_change_timeout) * 4
    }

    fn core(&self) -> byzantine_consensus::Config {
        let consensus = &self.config.consensus;
        byzantine_consensus::Config {
            replica: self.replica,
            membership: Membership::clone(&self.membership),
            request_timeout: consensus.request_timeout,
            view_change_timeout: consensus.view_change_timeout,
            checkpoint_interval: consensus.checkpoint_interval,
            clock_bound: consensus.clock_bound,
            client_key_retention: self.config.http.key_retention,
            gateway_key_retention: self.retention().gateway,
            gateway_keys: self.config.http.gateway_keys,
            verdicts: Arc::new(self.responder()),
        }
    }

    fn authority(&self) -> Keys {
        let membership = Membership::clone(&self.membership);
        Keys::new(
            membership,
            self.keys.vote.clone(),
            self.keys.cosigner.clone(),
        )
    }

    fn peers(
        &self,
        listener: TcpListener,
        isolation: Isolation,
    ) -> Result<(Peers, PeerEvents), SidecarError> {
        let neighbourhood = Neighbourhood {
            membership: Arc::clone(&self.membership),
            replica: self.replica,
            addresses: self.config.peers.clone(),
            isolation,
        };
        Peers::start(neighbourhood, &self.keys.link, listener)
    }

    fn rules(&self) -> RequestRules {
        let http = &self.config.http;
        let dropped = http.drop_request_headers.iter().map(String::as_str);
        let state = &self.config.app.state;
        RequestRules::new(dropped, self.covered.clone(), http.max_body_bytes)
            .reserving(state.snapshot_path.as_deref())
    }

    fn responder(&self) -> Responder {
        let dropped = self.config.http.drop_response_headers.iter();
        let dropped = dropped.map(String::as_str);
        Responder::new(self.membership.origin().clone(), self.rules(), dropped)
    }

    fn executor(
        &self,
        port: ExecutorPort,
        (history, snapshots): (Arc<CallHistory>, Arc<Snapshots>),
        health: watch::Sender<AppHealth>,
        interposer: &Arc<dyn Interposer>,
        telemetry: &Arc<Telemetry>,
    ) -> Executor {
        let service = self.membership.service();
        let http = &self.config.http;
        let telemetry = Arc::clone(telemetry);
        Executor::new(ExecutorParts {
            port,
            history,
            snapshots,
            checkpoint_interval: self.config.consensus.checkpoint_interval,
            responder: self.responder(),
            app: self.config.app.clone(),
            host: format!("{}.{}", service.name(), service.namespace()),
            max_body_bytes: http.max_body_bytes,
            life_record: self.config.data.join("app-life"),
            outcome_log: self.config.data.join("outcomes"),
            health,
            interposer: Arc::clone(interposer),
            observer: Box::new(move |took| telemetry.metrics().app_roundtrip(took)),
        })
    }

    fn gateway(
        &self,
        driver: Driver,
        interposer: Arc<dyn Interposer>,
        telemetry: Arc<Telemetry>,
    ) -> Gateway {
        Gateway::new(GatewayParts {
            driver,
            rules: self.rules(),
            transport: self.config.proofs.transport,
            cors_allow_origins: self.config.http.cors_allow_origins.clone(),
            interposer,
            observer: Box::new(move |code, took| telemetry.metrics().http_request(code, took)),
        })
    }

    fn reporter(&self, stores: &Stores, health: watch::Receiver<AppHealth>) -> Reporter {
        Reporter {
            membership: Arc::clone(&self.membership),
            replica: self.replica,
            ledger: Arc::clone(&stores.ledger),
            snapshots: Arc::clone(&stores.snapshots),
            health,
            state: self.config.app.state.kind,
            checkpoint_interval: self.config.consensus.checkpoint_interval,
        }
    }
}

impl Running {
    /// Serves until `stop` resolves; then the gateway finishes, then the driver.
    async fn until(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), SidecarError> {
        let gateway = self.gateway.serve(self.http, stop, DRAIN);
        tokio::pin!(gateway);
        let (mut driver, mut executor) = (self.driver, self.executor);
        let lost = Err(SidecarError::DriverLost);
        let ended = tokio::select! {
            () = &mut gateway => {
                drop(self.stop_driver);
                (&mut driver).await.unwrap_or(lost)
            }
            failed = &mut driver => failed.unwrap_or(Ok(())).and(lost),
            _ = &mut executor => Err(SidecarError::ExecutorLost),
        };
        executor.abort();
        self.courier.abort();
        self.admin.abort();
        ended
    }
}

impl Listeners {
    /// Binds those that are not bound yet.
    async fn bind(config: &Config, admin: Option<TcpListener>) -> Result<Self, SidecarError> {
        let listen = &config.listen;
        let http = bind(listen.http, "clients").await?;
        let peer = bind(listen.peer, "peers").await?;
        let admin = match admin {
            Some(admin) => admin,
            None => bind(listen.admin, "administration").await?,
        };
        Ok(Self { http, peer, admin })
    }
}

async fn bind(
    address: std::net::SocketAddr,
    purpose: &'static str,
) -> Result<TcpListener, SidecarError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| SidecarError::Listen {
        address,
        purpose,
        source,
    })
}

/// Resolves when the driver's thread has ended.
fn ended(
    thread: std::thread::JoinHandle<Result<(), SidecarError>>,
) -> Result<oneshot::Receiver<Result<(), SidecarError>>, SidecarError> {
    let (tell, ended) = oneshot::channel();
    let join = move || {
        let result = thread.join().unwrap_or(Err(SidecarError::DriverLost));
        // Nobody waits any more when the sidecar itself was dropped.
        let _ = tell.send(result);
    };
    let builder = std::thread::Builder::new().name("driver-watch".to_owned());
    builder
        .spawn(join)
        .map_err(|source| SidecarError::Thread { source })?;
    Ok(ended)
}

fn load_membership(path: &Path) -> Result<Membership, SidecarError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| SidecarError::MembershipUnreadable {
        path: path.to_owned(),
        source,
    })?;
    Membership::parse(&text).map_err(|source| SidecarError::Membership {
        path: path.to_owned(),
        source,
    })
}

fn check_keys(
    config: &Config,
    membership: &Membership,
    keys: &Keystore,
) -> Result<(), SidecarError> {
    let replica = ReplicaId(config.replica);
    let Some(pinned) = membership.member(replica) else {
        let members = membership.n();
        return Err(SidecarError::NotAMember {
            replica: config.replica,
            members,
        });
    };
    let own = keys.member(replica);
    let pairs = [
        ("vote", own.vote, pinned.vote),
        ("cosigner", own.cosigner, pinned.cosigner),
        ("link", own.link, pinned.link),
    ];
    let foreign = pairs.iter().find(|(_, own, pinned)| own != pinned);
    foreign.map_or(Ok(()), |(key, _, _)| {
        Err(SidecarError::ForeignKey {
            key,
            directory: config.keys.clone(),
            replica: config.replica,
        })
    })
}

fn covered_fields(config: &Config) -> Result<RequestFields, SidecarError> {
    let names = &config.http.covered_request_headers;
    let fields = RequestFields::new(names.iter().map(String::as_str));
    let refused = |_| ConfigError::Field {
        field: "http.coveredRequestHeaders",
        found: names.join(", "),
        rule: "a few header names, without those that are always covered",
    };
    Ok(fields.map_err(refused)?)
}

fn lock_directory(path: &Path) -> Result<File, SidecarError> {
    let failed = |source| SidecarError::DataDirectory {
        path: path.to_owned(),
        source,
    };
    std::fs::create_dir_all(path).map_err(failed)?;
    let lock = File::create(path.join("LOCK")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let path = path.to_owned();
            Err(SidecarError::DataDirectoryInUse { path })
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
