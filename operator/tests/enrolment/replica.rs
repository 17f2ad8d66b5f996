//! A replica's side: the sidecar's own enrolment, on a volume of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byzantine_proof::{Enrolment, Member, ReplicaId, SecretKey, ServiceName};
use byzantine_sidecar::Config;
use byzantine_sidecar::config;
use byzantine_sidecar::enrolment::{Credentials, Enroller};
use byzantine_sidecar::status::{EnrolmentState, EnrolmentStatus};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use crate::service::{NAME, NAMESPACE, Service};

/// A replica that is not running yet.
pub(crate) struct Replica {
    pub(crate) volume: PathBuf,
    config: Config,
}

impl Replica {
    /// With the volume and token of that replica's pod.
    pub(crate) fn new(service: &Service, number: u8) -> Self {
        let volume = service.directory.path().join(format!("volume-{number}"));
        std::fs::create_dir_all(&volume).unwrap();
        let config = json!({
            "replica": number,
            "membership": volume.join("membership"),
            "keys": volume.join("keys"),
            "data": volume.join("data"),
            "listen": {"http": "127.0.0.1:0", "peer": "127.0.0.1:0", "admin": "127.0.0.1:0"},
            "peers": ["a:1", "b:1", "c:1", "d:1"],
            "app": {"address": "127.0.0.1:8080"},
            "enrolment": {
                "url": service.url,
                "caFile": service.ca_file(),
                "tokenFile": volume.join("token"),
                "service": format!("{NAME}.{NAMESPACE}.cluster.local"),
            },
        });
        let replica = Self {
            volume,
            config: serde_json::from_value(config).unwrap(),
        };
        let token = service.api.issue(service.token(number));
        replica.give_token(&token);
        replica
    }

    pub(crate) fn give_token(&self, token: &str) {
        std::fs::write(self.volume.join("token"), token).unwrap();
    }

    /// Enrols until it is a member.
    pub(crate) async fn enrol(&self) -> Credentials {
        let (progress, _) = watch::channel(EnrolmentStatus::default());
        let enrolling = self.enroller(progress);
        let enrolled = tokio::time::timeout(Duration::from_secs(30), enrolling.run()).await;
        enrolled.expect("it becomes a member")
    }

    /// Enrols until it is told to be in that state; why.
    pub(crate) async fn enrol_until(&self, state: EnrolmentState) -> String {
        let (progress, mut seen) = watch::channel(EnrolmentStatus::default());
        let enroller = self.enroller(progress);
        let reached = seen.wait_for(|status| status.state == state);
        let reached = tokio::time::timeout(Duration::from_secs(30), async {
            tokio::select! {
                reached = reached => reached.unwrap().detail.clone(),
                _ = enroller.run() => panic!("it became a member"),
            }
        });
        reached.await.expect("it gets into that state")
    }

    /// As a start with a volume that says all does in the background.
    pub(crate) async fn affirm(&self, credentials: Credentials) {
        let (progress, _) = watch::channel(EnrolmentStatus::default());
        self.enroller(progress).affirm(credentials).await;
    }

    fn enroller(&self, progress: watch::Sender<EnrolmentStatus>) -> Enroller {
        let settings: &config::Enrolment = self.config.enrolment.as_ref().unwrap();
        Enroller::new(&self.config, settings, progress).unwrap()
    }
}

/// Enrols all four at once.
pub(crate) async fn enrol_all(replicas: &[Replica]) -> [Credentials; 4] {
    let [a, b, c, d] = replicas else {
        panic!("there are four");
    };
    tokio::join!(a.enrol(), b.enrol(), c.enrol(), d.enrol()).into()
}

/// An enrolment by hand, with keys made of a seed.
pub(crate) fn application(replica: u8, pod: &str, seed: u8) -> Value {
    let [vote, cosigner, link] = [0, 1, 2].map(|kind| SecretKey::from_seed(&[seed + kind; 32]));
    let enrolment = Enrolment {
        service: ServiceName::new(NAME, NAMESPACE, "cluster.local").unwrap(),
        epoch: 0,
        pod: pod.to_owned(),
        member: Member {
            id: ReplicaId(replica),
            vote: vote.public_key(),
            cosigner: cosigner.public_key(),
            link: link.public_key(),
        },
    };
    let signed = enrolment.sign(&vote, &cosigner, &link);
    json!({
        "service": NAME, "namespace": NAMESPACE, "domain": "cluster.local",
        "replica": replica, "epoch": 0,
        "votePublicKey": vote.public_key().to_base64(),
        "cosignerPublicKey": cosigner.public_key().to_base64(),
        "linkPublicKey": link.public_key().to_base64(),
        "possession": {
            "vote": STANDARD.encode(signed.vote.as_bytes()),
            "cosigner": STANDARD.encode(signed.cosigner.as_bytes()),
            "link": STANDARD.encode(signed.link.as_bytes()),
        },
    })
}

/// Sends bytes as they are; the status and the body of the answer.
pub(crate) async fn send(service: &Service, head: &str, body: &str) -> (u16, Value) {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(service.ca_file()).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = service.url.trim_start_matches("https://");
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let request = format!("{head}\r\nhost: localhost\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that closes in the middle of a request is heard to the end all the same.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = serde_json::from_str(body).unwrap_or(Value::String(body.to_owned()));
    (status.unwrap_or(0), body)
}

/// Enrols by hand.
pub(crate) async fn post(service: &Service, token: &str, application: &Value) -> (u16, Value) {
    let body = application.to_string();
    let head = format!(
        "POST /v1/enrolments HTTP/1.1\r\nauthorization: Bearer {token}\r\ncontent-length: {}",
        body.len()
    );
    send(service, &head, &body).await
}
