//! The operator as a sidecar sees it: an HTTPS server that one authority vouches for.
//!
//! Certificates and token are read again for each exchange, since both are renewed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use byzantine_proof::{Enrolment, Possession, ServiceName};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::exchange::{Answer, Application, Complete, Pinned, Refusal};
use super::obstacle::Obstacle;
use super::token::Token;
use crate::config::{self, ConfigError};

/// For resolving, connecting and the handshake together.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the operator is asked to wait for the others, in seconds.
const WAIT_SECONDS: u64 = 25;

/// How long an answer may take: as long as it was asked to wait, and some time to give it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(WAIT_SECONDS + 10);

/// The longest answer in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Where to enrol.
pub(super) struct Operator {
    settings: config::Enrolment,
    host: String,
    port: u16,
}

impl Operator {
    pub(super) fn new(settings: &config::Enrolment) -> Result<Self, ConfigError> {
        let (host, port) = settings.server()?;
        Ok(Self {
            settings: settings.clone(),
            host,
            port,
        })
    }

    /// The file with the token that says who asks.
    pub(super) fn token_file(&self) -> &Path {
        &self.settings.token_file
    }

    /// Hands the public keys over, with the proof that the secret ones are here.
    pub(super) async fn enrol(
        &self,
        enrolment: &Enrolment,
        possession: &Possession,
        token: &Token,
    ) -> Result<Answer, Obstacle> {
        let application = Application::new(enrolment, possession);
        let body = serde_json::to_vec(&application).expect("text and numbers are JSON");
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/enrolments")
            .header(header::AUTHORIZATION, format!("Bearer {}", token.text()))
            .header(header::CONTENT_TYPE, "application/json");
        let (status, body) = self.exchange(request, Bytes::from(body)).await?;
        match status {
            StatusCode::OK => {
                let complete: Complete = self.parse(status, &body)?;
                Ok(Answer::Complete(complete.membership))
            }
            StatusCode::ACCEPTED => {
                let Pinned { missing } = self.parse(status, &body)?;
                Ok(Answer::Pinned { missing })
            }
            _ => Err(refused(status, &body)),
        }
    }

    /// Waits for the membership; `None` when it is not complete yet.
    pub(super) async fn membership(
        &self,
        service: &ServiceName,
    ) -> Result<Option<String>, Obstacle> {
        let (namespace, name) = (service.namespace(), service.name());
        let target = format!("/v1/memberships/{namespace}/{name}?epoch=0&wait={WAIT_SECONDS}");
        let request = Request::builder().uri(target);
        let (status, body) = self.exchange(request, Bytes::new()).await?;
        match status {
            StatusCode::OK => {
                let text = String::from_utf8(body.to_vec());
                let text = text.map_err(|_| self.unexpected(status, "no text"))?;
                Ok(Some(text))
            }
            StatusCode::NO_CONTENT => Ok(None),
            _ => Err(refused(status, &body)),
        }
    }

    fn parse<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, Obstacle> {
        serde_json::from_slice(body).map_err(|_| self.unexpected(status, "unknown JSON"))
    }

    async fn exchange(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Obstacle> {
        let request = request.header(header::HOST, &self.host);
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| self.unreachable(io::Error::other(error)))?;
        let exchange = async {
            let stream = self.dial().await?;
            self.converse(stream, request).await
        };
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await;
        answered.unwrap_or_else(|_| Err(self.unreachable(io::ErrorKind::TimedOut.into())))
    }

    async fn dial(&self) -> Result<TlsStream<TcpStream>, Obstacle> {
        let connector = TlsConnector::from(Arc::new(self.tls()?));
        let dialling = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
            connector.connect(name, stream).await
        };
        let dialled = tokio::time::timeout(DIAL_TIMEOUT, dialling).await;
        let dialled = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        dialled.map_err(|source| self.unreachable(source))
    }

    fn tls(&self) -> Result<ClientConfig, Obstacle> {
        let mut authorities = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(&self.settings.ca_file);
        for certificate in certificates.map_err(|error| self.distrusted(error))? {
            let certificate = certificate.map_err(|error| self.distrusted(error))?;
            let added = authorities.add(certificate);
            added.map_err(|error| self.distrusted(error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| self.distrusted(error))?;
        Ok(builder
            .with_root_certificates(authorities)
            .with_no_client_auth())
    }

    async fn converse(
        &self,
        stream: TlsStream<TcpStream>,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Obstacle> {
        let broken = |source| Obstacle::Broken {
            url: self.settings.url.clone(),
            source,
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        tokio::spawn(async move {
            // Its failure is also that of the request.
            let _ = connection.await;
        });
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        let body = body.collect().await;
        let body = body.map_err(|_| self.unexpected(status, "an unreadable body"))?;
        Ok((status, body.to_bytes()))
    }

    fn unreachable(&self, source: io::Error) -> Obstacle {
        let url = self.settings.url.clone();
        Obstacle::Unreachable { url, source }
    }

    fn unexpected(&self, status: StatusCode, found: &'static str) -> Obstacle {
        let url = self.settings.url.clone();
        Obstacle::Unexpected { url, status, found }
    }

    fn distrusted(&self, error: impl std::error::Error + Send + Sync + 'static) -> Obstacle {
        Obstacle::Authority {
            path: self.settings.ca_file.clone(),
            source: Box::new(error),
        }
    }
}

fn refused(status: StatusCode, body: &[u8]) -> Obstacle {
    let Refusal { reason, detail } = serde_json::from_slice(body).unwrap_or_default();
    Obstacle::Refused {
        status,
        reason,
        detail,
    }
}
