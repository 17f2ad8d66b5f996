//! Accepts connections and serves HTTP/1.1 and h2c on them, within limits.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Gateway;
use super::head::{MAX_FIELDS, MAX_HEAD_BYTES};
use super::screened::{Patience, Screened};

/// The most connections at a time; more wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 1024;

/// The most concurrent requests on one h2c connection.
const MAX_STREAMS: u32 = 128;

/// Streams that a peer may reset, or make us reset, before its connection is closed
/// (CVE-2023-44487, CVE-2025-8671).
const MAX_RESET_STREAMS: usize = 32;

/// How often a silent h2c peer is pinged, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long to wait when the system has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` resolves; then finishes what was accepted, for at most `drain`.
pub(super) async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            stream = accept(&listener, &permits) => {
                let Some((stream, permit)) = stream else { continue };
                let connection = connection(&gateway, stream, &connections);
                tokio::spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
        }
    }
    gateway.refuse_new();
    drop(listener);
    if tokio::time::timeout(drain, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("closed client connections that were not finished after {drain:?}");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a client's connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// One connection's whole life.
fn connection(
    gateway: &Arc<Gateway>,
    stream: TcpStream,
    connections: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let gateway = Arc::clone(gateway);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(gateway.handle(request).await) }
    });
    let stream = TokioIo::new(Screened::new(stream, Patience::default()));
    let served = builder().serve_connection(stream, service).into_owned();
    let served = connections.watch(served);
    async move {
        if let Err(error) = served.await {
            tracing::debug!(%error, "a client's connection ended early");
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .half_close(true)
        .max_headers(MAX_FIELDS + 1)
        .max_buf_size(4 * MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_RESET_STREAMS)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    builder
}
