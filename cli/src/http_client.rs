//! A small HTTP/1.1 client: whole bodies, a limit on them, and a time limit on everything.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::error::CliError;
use crate::request::Fields;

/// The longest response body, twice what a gateway lets pass.
const MAX_BODY_BYTES: usize = 16 << 20;

/// A client that keeps connections.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient(Client<HttpConnector, Full<Bytes>>);

/// A request to send.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Uri,
    pub(crate) headers: Fields,
    pub(crate) body: Bytes,
}

impl Outgoing {
    /// A request without header fields and body.
    pub(crate) fn get(url: Uri) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }
}

/// A response that came whole.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) status: u16,
    pub(crate) headers: Fields,
    pub(crate) body: Bytes,
}

impl Incoming {
    /// The first value of a header field, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let field = self.headers.iter().find(|(other, _)| other == name)?;
        std::str::from_utf8(&field.1).ok()
    }
}

/// Why no response came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("no answer within {}", humantime::format_duration(*.0))]
    TimedOut(Duration),
    #[error("cannot connect: {0}")]
    Unconnected(String),
    #[error("the connection failed: {0}")]
    Broken(String),
    #[error("the request cannot be sent: {0}")]
    Unsendable(#[from] http::Error),
}

impl HttpClient {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// Sends a request and waits for the whole response.
    ///
    /// # Errors
    /// [`TransportError`]; whether the request arrived is then unknown.
    pub(crate) async fn send(
        &self,
        outgoing: &Outgoing,
        limit: Duration,
    ) -> Result<Incoming, TransportError> {
        let mut builder = Request::builder()
            .method(&outgoing.method)
            .uri(&outgoing.url);
        for (name, value) in &outgoing.headers {
            builder = builder.header(name, value.as_slice());
        }
        let request = builder.body(Full::new(outgoing.body.clone()))?;
        let exchange = self.exchange(request);
        let timed = tokio::time::timeout(limit, exchange).await;
        timed.unwrap_or(Err(TransportError::TimedOut(limit)))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Incoming, TransportError> {
        let response = self.0.request(request).await.map_err(|error| {
            let cause = innermost(&error);
            if error.is_connect() {
                TransportError::Unconnected(cause)
            } else {
                TransportError::Broken(cause)
            }
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
        let body = body
            .map_err(|error| TransportError::Broken(innermost(&*error)))?
            .to_bytes();
        let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        let headers = head.headers.iter().map(field).collect();
        Ok(Incoming {
            status: head.status.as_u16(),
            headers,
            body,
        })
    }
}

/// The cause that says most.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Reads an `http://` URL.
///
/// # Errors
/// [`CliError::Url`] for anything else.
pub(crate) fn parse_url(text: &str) -> Result<Uri, CliError> {
    let refused = |why: &'static str| CliError::Url {
        url: text.to_owned(),
        why,
    };
    let sent = text.split('#').next().unwrap_or_default();
    let uri: Uri = sent.parse().map_err(|_| refused("it is not a URL"))?;
    match uri.scheme_str() {
        Some("http") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        Some("http") => Err(refused("it names no host")),
        Some("https") => Err(refused(
            "gateways speak plain HTTP, and the proof protects the answer",
        )),
        _ => Err(refused("it does not start with http://")),
    }
}
