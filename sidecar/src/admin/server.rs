//! Connections to the administration port, and what every page of it has in common.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 128;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// After an error of the listener, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const PAGES: &str =
    "There is nothing here. Pages: /metrics /livez /livez/app /readyz /status /wait-for-drain\n";

/// What the port says at one stage of the sidecar's life.
pub(super) trait Pages: Send + Sync + 'static {
    /// The page at a path; `None` where there is none.
    fn page(&self, path: &str) -> impl Future<Output = Option<Page>> + Send;
}

/// An answer.
pub(super) type Page = Response<Full<Bytes>>;

/// Serves until it is dropped.
pub(super) async fn serve<P: Pages>(pages: Arc<P>, listener: &TcpListener) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let pages = Arc::clone(&pages);
                connections.spawn(async move {
                    serve_connection(pages, stream).await;
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

async fn serve_connection<P: Pages>(pages: Arc<P>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let pages = Arc::clone(&pages);
        async move { Ok::<_, Infallible>(answer(pages.as_ref(), &request).await) }
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

async fn answer<P: Pages>(pages: &P, request: &Request<Incoming>) -> Page {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = "This port is read-only: use GET.\n";
        return plain(StatusCode::METHOD_NOT_ALLOWED, text);
    }
    let page = pages.page(request.uri().path()).await;
    page.unwrap_or_else(|| plain(StatusCode::NOT_FOUND, PAGES))
}

/// A page of plain text.
pub(super) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Page {
    page(status, "text/plain", text)
}

/// A page of JSON, or why it cannot be written.
pub(super) fn json(value: &impl serde::Serialize) -> Page {
    match serde_json::to_vec_pretty(value) {
        Ok(text) => page(StatusCode::OK, "application/json", text),
        Err(error) => {
            let text = format!("the page cannot be written: {error}\n");
            plain(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    }
}

/// A page of any type.
pub(super) fn page(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Page {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
