//! The administration port: metrics, health and status. Read-only, since anyone may reach it.

mod report;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::driver::Snapshot;
use crate::telemetry::Telemetry;

pub use report::Reporter;

const CONNECTIONS: usize = 128;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long `/wait-for-drain` waits at most.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// A driver that has not looked around for so long hangs.
const HANGS: Duration = Duration::from_secs(30);

/// After an error of the listener, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const PAGES: &str =
    "There is nothing here. Pages: /metrics /livez /livez/app /readyz /status /wait-for-drain\n";

/// The administration server.
pub struct Admin {
    /// Where the status comes from.
    pub reporter: Reporter,
    /// Metrics and observations.
    pub telemetry: Arc<Telemetry>,
    /// Where the replica stands.
    pub snapshot: watch::Receiver<Snapshot>,
}

impl Admin {
    /// Serves until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let (admin, room) = (Arc::new(self), Arc::new(Semaphore::new(CONNECTIONS)));
        let mut connections = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let admin = Arc::clone(&admin);
                    connections.spawn(async move {
                        serve_connection(admin, stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the administration port");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let text = "This port is read-only: use GET.\n";
            return page(StatusCode::METHOD_NOT_ALLOWED, "text/plain", text);
        }
        match request.uri().path() {
            "/metrics" => self.metrics(),
            "/livez" => self.alive(),
            "/livez/app" => self.app_alive(),
            "/readyz" => self.ready(),
            "/status" => self.status(),
            "/wait-for-drain" => self.drained().await,
            _ => page(StatusCode::NOT_FOUND, "text/plain", PAGES),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match self.telemetry.metrics().to_text() {
            Ok(text) => page(StatusCode::OK, "text/plain; version=0.0.4", text),
            Err(error) => {
                let text = format!("the metrics cannot be written: {error}\n");
                page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", text)
            }
        }
    }

    fn alive(&self) -> Response<Full<Bytes>> {
        let taken = self.snapshot.borrow().taken;
        if taken.is_some_and(|taken| taken.elapsed() > HANGS) {
            let text = "the driver hangs, perhaps in its disk; restart this sidecar\n";
            page(StatusCode::SERVICE_UNAVAILABLE, "text/plain", text)
        } else {
            page(StatusCode::OK, "text/plain", "alive\n")
        }
    }

    fn app_alive(&self) -> Response<Full<Bytes>> {
        match self.reporter.app_to_restart() {
            Some(cause) => page(StatusCode::SERVICE_UNAVAILABLE, "text/plain", cause + "\n"),
            None => page(StatusCode::OK, "text/plain", "alive\n"),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let (ready, reasons) = self.reporter.readiness(&self.snapshot.borrow());
        let (status, first) = if ready {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready")
        };
        let lines: Vec<&str> = std::iter::once(first)
            .chain(reasons.iter().map(String::as_str))
            .collect();
        page(status, "text/plain", lines.join("\n") + "\n")
    }

    fn status(&self) -> Response<Full<Bytes>> {
        let status = self
            .reporter
            .status(&self.snapshot.borrow(), &self.telemetry);
        match serde_json::to_vec_pretty(&status) {
            Ok(text) => page(StatusCode::OK, "application/json", text),
            Err(error) => {
                let text = format!("the status cannot be written: {error}\n");
                page(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", text)
            }
        }
    }

    /// Only observes: whoever takes the pod down asks here when nobody waits any more.
    async fn drained(&self) -> Response<Full<Bytes>> {
        let mut snapshot = self.snapshot.clone();
        let drained = snapshot.wait_for(|snapshot| snapshot.awaited == 0);
        let text = match tokio::time::timeout(DRAIN_TIMEOUT, drained).await {
            Ok(_) => "drained\n",
            Err(_) => {
                "clients still wait; their requests are accepted and will be answered to \
                       a retry with the same key\n"
            }
        };
        page(StatusCode::OK, "text/plain", text)
    }
}

async fn serve_connection(admin: Arc<Admin>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let admin = Arc::clone(&admin);
        async move { Ok::<_, io::Error>(admin.answer(&request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    let builder = builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an administration connection ended early");
    }
}

fn page(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
