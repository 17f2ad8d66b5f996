//! Calls the app over HTTP/1.1 on loopback, with a few connections kept open.
//!
//! A connection belongs to one life of the app; a call says whether it may have been executed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::failure::CallFailure;
use super::life::{Life, Lives};
use crate::respond::{AppBody, AppResponse};

/// The most connections kept open.
const MAX_IDLE: usize = 16;

/// A connection idle for longer is not used again: the app may be about to close it, and a request
/// that meets a closing connection may or may not have been executed.
const MAX_IDLE_TIME: Duration = Duration::from_millis(500);

/// How long the app's listener may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long questions about the app's health may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of a response's head, and of one read.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// The most header fields of a response.
const MAX_FIELDS: usize = 256;

/// What an answer to a probe may hold.
const MAX_PROBE_BYTES: usize = 64 * 1024;

type Connection = SendRequest<Full<Bytes>>;

/// The way to the app.
pub(super) struct AppClient {
    address: String,
    host: String,
    timeout: Duration,
    max_body_bytes: usize,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    life: Life,
    since: Instant,
}

impl AppClient {
    /// `address` is `host:port`; `host` what the app sees as `Host`.
    pub(super) fn new(
        address: String,
        host: String,
        timeout: Duration,
        max_body_bytes: usize,
    ) -> Self {
        Self {
            address,
            host,
            timeout,
            max_body_bytes,
            idle: Mutex::default(),
        }
    }

    /// What the app sees as `Host`.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a request to this life of the app and reads the whole response.
    pub(super) async fn call(
        &self,
        request: http::Request<Full<Bytes>>,
        lives: &Lives,
        life: &Life,
    ) -> Result<AppResponse, CallFailure> {
        let exchange = self.exchange(request, lives, life);
        tokio::time::timeout(self.timeout, exchange)
            .await
            .map_err(|_| CallFailure::TimedOut)?
    }

    /// Asks a path without side effects on a connection of its own.
    pub(super) async fn probe(&self, path: &str) -> Result<(http::StatusCode, Bytes), CallFailure> {
        let asked = tokio::time::timeout(PROBE_TIMEOUT, self.ask(path));
        let response = asked.await.map_err(|_| CallFailure::TimedOut)??;
        match response.body {
            AppBody::Whole(body) => Ok((response.status, body)),
            AppBody::TooLarge => Ok((response.status, Bytes::new())),
        }
    }

    async fn ask(&self, path: &str) -> Result<AppResponse, CallFailure> {
        let mut request = http::Request::new(Full::default());
        *request.uri_mut() = path.parse().unwrap_or_default();
        if let Ok(host) = self.host.parse() {
            request.headers_mut().insert(http::header::HOST, host);
        }
        let mut connection = self.connect().await?;
        let response = connection.send_request(request).await.map_err(broken)?;
        read(response, MAX_PROBE_BYTES).await.map_err(broken)
    }

    async fn exchange(
        &self,
        mut request: http::Request<Full<Bytes>>,
        lives: &Lives,
        life: &Life,
    ) -> Result<AppResponse, CallFailure> {
        loop {
            let (mut connection, kept) = self.connection(lives, life).await?;
            match connection.try_send_request(request).await {
                Ok(response) => {
                    let response = read(response, self.max_body_bytes).await.map_err(broken)?;
                    self.keep(connection, life, &response);
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    // Nothing was written: the app had closed the connection while it was idle.
                    Some(unsent) if kept => request = unsent,
                    Some(_) => return Err(CallFailure::NotSent(error.into_error())),
                    None => return Err(broken(error.into_error())),
                },
            }
        }
    }

    /// A connection to this life of the app, and whether it was used before.
    async fn connection(
        &self,
        lives: &Lives,
        life: &Life,
    ) -> Result<(Connection, bool), CallFailure> {
        while let Some(mut idle) = self.take_idle() {
            let fresh = idle.since.elapsed() < MAX_IDLE_TIME && &idle.life == life;
            // Its last response was read to the end, so it is ready at once, or closed.
            if fresh && idle.connection.ready().await.is_ok() {
                return Ok((idle.connection, true));
            }
        }
        let connection = self.connect().await?;
        // The number is written before a process starts, so whoever accepted is of this life.
        if lives.current().as_ref() == Some(life) {
            Ok((connection, false))
        } else {
            Err(CallFailure::LifeChanged)
        }
    }

    /// A new connection, for bodies of any kind.
    pub(super) async fn connect<B>(&self) -> Result<SendRequest<B>, CallFailure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let unreachable = |source| CallFailure::Unreachable {
            address: self.address.clone(),
            source,
        };
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.address));
        let stream = connecting
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let stream = stream.map_err(unreachable)?;
        // Requests are small and waited for.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER_BYTES)
            .max_headers(MAX_FIELDS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(CallFailure::NotSent)?;
        tokio::spawn(async move {
            // Its failure is also that of the call.
            let _ = connection.await;
        });
        Ok(sender)
    }

    /// Keeps a connection for the next call, unless bytes of this response are left on it.
    fn keep(&self, connection: Connection, life: &Life, response: &AppResponse) {
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE && matches!(response.body, AppBody::Whole(_)) {
            idle.push(Idle {
                connection,
                life: life.clone(),
                since: Instant::now(),
            });
        }
    }

    fn take_idle(&self) -> Option<Idle> {
        self.idle().pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(response: hyper::Response<Incoming>, limit: usize) -> hyper::Result<AppResponse> {
    let (head, mut body) = response.into_parts();
    let (mut content, mut fits) = (BytesMut::new(), true);
    while let Some(frame) = body.frame().await.filter(|_| fits) {
        if let Ok(data) = frame?.into_data() {
            fits = data.len() <= limit - content.len();
            if fits {
                content.extend_from_slice(&data);
            }
        }
    }
    let body = if fits {
        AppBody::Whole(content.freeze())
    } else {
        AppBody::TooLarge
    };
    Ok(AppResponse {
        status: head.status,
        headers: head.headers,
        body,
    })
}

fn broken(error: hyper::Error) -> CallFailure {
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        CallFailure::Unreadable(error)
    } else {
        CallFailure::Broken(error)
    }
}
