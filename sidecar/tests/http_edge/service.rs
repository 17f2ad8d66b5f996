//! A gateway whose driver certifies by itself: it owns all replicas' keys.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::{Request, Sequence, UnixMillis};
use byzantine_proof::tree::Frontier;
use byzantine_proof::{
    Checkpoint, Cosignature, FieldBlock, Member, Membership, Policy, ReplicaId, RequestFields,
    ResponseLeaf, SecretKey, ServiceName, SignedCheckpoint, TlogProof,
};
use byzantine_sidecar::Honest;
use byzantine_sidecar::canonical::RequestRules;
use byzantine_sidecar::config::ProofTransport;
use byzantine_sidecar::gateway::{Gateway, GatewayParts};
use byzantine_sidecar::ledger::Ledger;
use byzantine_sidecar::respond::{AppBody, AppResponse, Place, Responder};
use byzantine_sidecar::submission::{Certified, Driver, Submission, SubmitError};
use http::{HeaderMap, HeaderValue, StatusCode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) const MAX_BODY: usize = 4096;

/// What the driver does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Certify,
    Refuse(SubmitError),
    /// Answers only once told to.
    Hold,
}

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) policy: Policy,
    pub(crate) targets: Arc<Mutex<Vec<String>>>,
    pub(crate) release: watch::Sender<bool>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) served: tokio::task::JoinHandle<()>,
    _checkpoint: watch::Sender<Option<String>>,
    _directory: TempDir,
}

pub(crate) struct Setup {
    pub(crate) behaviour: Behaviour,
    pub(crate) transport: ProofTransport,
    pub(crate) origins: Vec<String>,
    /// The app behind unordered paths.
    pub(crate) app: Option<SocketAddr>,
}

impl Default for Setup {
    fn default() -> Self {
        let (behaviour, transport) = (Behaviour::Certify, ProofTransport::Auto);
        Self {
            behaviour,
            transport,
            origins: Vec::new(),
            app: None,
        }
    }
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

pub(crate) fn membership() -> Membership {
    let member = |id: u8| Member {
        id: ReplicaId(id),
        vote: secret(3 * id + 1).public_key(),
        cosigner: secret(3 * id + 2).public_key(),
        link: secret(3 * id + 3).public_key(),
    };
    let service = ServiceName::parse("wallet.bank.cluster.local").unwrap();
    Membership::new(service, 0, 1, 3, (0..4).map(member).collect()).unwrap()
}

pub(crate) fn rules() -> RequestRules {
    RequestRules::new([], RequestFields::default(), MAX_BODY)
}

pub(crate) fn responder() -> Responder {
    Responder::new(membership().origin().clone(), rules(), [])
}

pub(crate) async fn start(setup: Setup) -> Service {
    let directory = tempfile::tempdir().unwrap();
    let members = Arc::new(membership());
    let path = directory.path().join("ledger.redb");
    let ledger = Arc::new(Ledger::open(&path, Arc::clone(&members), ReplicaId(0)).unwrap());
    let patience = Duration::from_secs(20);
    let (driver, submissions, checkpoint) = Driver::channel(Arc::clone(&members), ledger, patience);
    let gateway = Gateway::new(GatewayParts {
        driver,
        rules: rules(),
        transport: setup.transport,
        cors_allow_origins: setup.origins,
        interposer: Arc::new(Honest),
        observer: Box::new(|_, _| {}),
    });
    let paths = setup.app.iter().map(|_| "/events".to_owned()).collect();
    let app = setup.app.map_or_else(String::new, |app| app.to_string());
    let gateway = gateway.passing(paths, app, "wallet.bank".to_owned());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    let served = tokio::spawn(gateway.serve(listener, stopped, Duration::from_secs(5)));
    let (targets, (release, released)) = (Arc::default(), watch::channel(false));
    tokio::spawn(drive(
        submissions,
        Arc::clone(&targets),
        setup.behaviour,
        released,
    ));
    Service {
        address,
        policy: Policy::of(&members),
        targets,
        release,
        stop: Some(stop),
        served,
        _checkpoint: checkpoint,
        _directory: directory,
    }
}

async fn drive(
    mut submissions: mpsc::Receiver<Submission>,
    targets: Arc<Mutex<Vec<String>>>,
    behaviour: Behaviour,
    mut released: watch::Receiver<bool>,
) {
    while let Some(Submission { request, reply, .. }) = submissions.recv().await {
        targets
            .lock()
            .unwrap()
            .push(format!("{} {}", request.method, request.target));
        if behaviour == Behaviour::Hold {
            released.wait_for(|released| *released).await.unwrap();
        }
        let _ = reply.send(match behaviour {
            Behaviour::Refuse(error) => Err(error),
            Behaviour::Certify | Behaviour::Hold => Ok(certify(&request)),
        });
    }
}

/// The app: `/long` has headers that push the proof over the inline limit.
fn respond(request: &Request) -> AppResponse {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/plain"));
    if request.target == "/long" {
        headers.insert("x-long", HeaderValue::from_bytes(&[b'x'; 1500]).unwrap());
    }
    let mut body = format!("{} {} ", request.method, request.target).into_bytes();
    body.extend_from_slice(&request.body);
    let status = if request.target == "/none" {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::OK
    };
    AppResponse {
        status,
        headers,
        body: AppBody::Whole(Bytes::from(body)),
    }
}

/// A tree of one leaf, cosigned by three replicas.
fn certify(request: &Request) -> Certified {
    let place = Place {
        sequence: Sequence(1),
        index: 0,
        time: UnixMillis(1_795_000_000_000),
    };
    let answer = responder().answer(place, request, respond(request));
    let mut tree = Frontier::new();
    tree.append(answer.leaf_hash());
    let members = membership();
    let (origin, size, root) = (members.origin().clone(), tree.size(), tree.root());
    let checkpoint = Checkpoint { origin, size, root };
    let cosign = |id: u8| {
        (
            ReplicaId(id),
            Cosignature::cosign(&secret(3 * id + 2), &checkpoint, 1_795_000_000),
        )
    };
    let cosignatures: Vec<_> = (0..3).map(cosign).collect();
    let signed = SignedCheckpoint::assemble(&members, checkpoint.clone(), &cosignatures).unwrap();
    let leaf = ResponseLeaf::parse(std::str::from_utf8(&answer.leaf).unwrap()).unwrap();
    let block = FieldBlock::parse(std::str::from_utf8(&answer.fields).unwrap()).unwrap();
    let proof = TlogProof::new(&leaf, &block, 0, Vec::new(), &signed);
    Certified {
        answer,
        position: 0,
        proof,
    }
}

/// Sends bytes as they are, half-closes, and reads until the server closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may refuse and close before it has read all.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        String::from_utf8_lossy(&received).into_owned()
    };
    tokio::time::timeout(Duration::from_secs(15), exchange)
        .await
        .expect("the server must answer")
}
