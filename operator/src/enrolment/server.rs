//! The HTTPS server: who may connect, how much may be sent, and which path does what.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use byzantine_proof::ServiceName;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::limits::{Visit, Visitors};
use super::refusal::{Reason, Refusal};
use super::register::{Receipt, Register};
use super::{EnrolmentContext, GENESIS};

/// Connections at one time.
const CONNECTIONS: usize = 1024;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the API server may take for all that one enrolment needs.
const DECISION_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest that a membership is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A connection is closed when it is that old; sidecars make one for each request.
const LIFETIME: Duration = Duration::from_mins(2);

/// The longest head and body of a request in bytes; a token has one or two thousand.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_FIELDS: usize = 64;
const MAX_BODY_BYTES: usize = 16 * 1024;

/// After an error of the listener, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// Serves until it is dropped.
pub(super) async fn run(context: EnrolmentContext, listener: TcpListener) {
    let EnrolmentContext {
        client,
        authority,
        results,
        recorder,
    } = context;
    let register = Arc::new(Register::new(client, results, recorder));
    let serving = async {
        let visitors = Arc::new(Visitors::default());
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
            if let Some((stream, visit)) = accept(&listener, &visitors).await {
                let guest = Guest {
                    register: Arc::clone(&register),
                    visit,
                    _permit: permit,
                };
                let acceptor = TlsAcceptor::from(authority.tls());
                connections.spawn(timeout(LIFETIME, guest.serve(stream, acceptor)));
            }
            while connections.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = serving => {}
        () = authority.keep_fresh() => {}
    }
}

async fn accept(listener: &TcpListener, visitors: &Arc<Visitors>) -> Option<(TcpStream, Visit)> {
    match listener.accept().await {
        Ok((stream, address)) => {
            let visit = visitors.admit(address.ip().to_canonical())?;
            Some((stream, visit))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot accept on the enrolment port");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// One connection.
struct Guest {
    register: Arc<Register>,
    visit: Visit,
    _permit: OwnedSemaphorePermit,
}

impl Guest {
    async fn serve(self, stream: TcpStream, acceptor: TlsAcceptor) {
        if let Err(error) = self.try_serve(stream, acceptor).await {
            tracing::debug!(%error, "an enrolment connection ended early");
        }
    }

    async fn try_serve(self, stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
        let stream = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await??;
        let guest = Arc::new(self);
        let service = service_fn(move |request: Request<Incoming>| {
            let guest = Arc::clone(&guest);
            async move { Ok::<_, Infallible>(guest.answer(request).await) }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        let builder = builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_FIELDS);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        connection.await.map_err(io::Error::other)
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let answered = if self.visit.may_ask() {
            self.route(request).await
        } else {
            let detail = "this address asks too often; it is asked again later";
            Err(Refusal::new(Reason::Busy, detail))
        };
        answered.unwrap_or_else(|refusal| refused(&refusal))
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let path = request.uri().path();
        match (request.method(), path.strip_prefix("/v1/memberships/")) {
            (&Method::POST, None) if path == "/v1/enrolments" => self.enrol(request).await,
            (&Method::GET, Some(service)) => {
                let service = service_of(service)?;
                let wait = wait_of(request.uri().query().unwrap_or_default())?;
                self.membership(&service, wait).await
            }
            _ => Err(Refusal::new(
                Reason::NotFound,
                "there is POST /v1/enrolments and GET /v1/memberships/NAMESPACE/NAME",
            )),
        }
    }

    async fn enrol(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let token = bearer(&request).map(str::to_owned);
        let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
        let body = timeout(BODY_TIMEOUT, body).await.ok();
        let body = body.and_then(Result::ok).ok_or_else(|| {
            let detail = format!("the body did not come, or has more than {MAX_BODY_BYTES} bytes");
            Refusal::new(Reason::Malformed, detail)
        })?;
        let (register, body) = (Arc::clone(&self.register), body.to_bytes());
        // To the end, even if the sidecar hangs up: what is decided is also recorded.
        let deciding = tokio::spawn(async move { register.enrol(token.as_deref(), &body).await });
        let late = || Refusal::new(Reason::Unavailable, "the API server is slow; try again");
        let decided = timeout(DECISION_TIMEOUT, deciding).await;
        let decided = decided.map_err(|_| late())?.map_err(|_| late())?;
        Ok(match decided? {
            Receipt::Complete(membership) => {
                let text = json!({"epoch": GENESIS, "membership": membership});
                answer(StatusCode::OK, "application/json", text.to_string())
            }
            Receipt::Pinned { missing } => {
                let text = json!({"epoch": GENESIS, "missing": missing});
                answer(StatusCode::ACCEPTED, "application/json", text.to_string())
            }
        })
    }

    async fn membership(&self, service: &ServiceName, wait: Duration) -> Result<Answer, Refusal> {
        let membership = self.register.membership(service, wait).await?;
        Ok(match membership {
            Some(text) => answer(StatusCode::OK, "text/plain; charset=utf-8", text),
            None => answer(StatusCode::NO_CONTENT, "text/plain", ""),
        })
    }
}

/// The token (RFC 6750 §2.1).
fn bearer(request: &Request<Incoming>) -> Option<&str> {
    let field = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = field.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}

fn service_of(path: &str) -> Result<ServiceName, Refusal> {
    let wrong = || Refusal::new(Reason::NotFound, "the path ends in NAMESPACE/NAME");
    let (namespace, name) = path.split_once('/').ok_or_else(wrong)?;
    // The domain is not asked for here.
    ServiceName::new(name, namespace, "any").map_err(|_| wrong())
}

/// `epoch=0&wait=25`, both of which may be absent.
fn wait_of(query: &str) -> Result<Duration, Refusal> {
    let mut wait = Duration::ZERO;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, value.parse::<u64>()) {
            ("epoch", Ok(GENESIS)) => {}
            ("wait", Ok(seconds)) => wait = Duration::from_secs(seconds),
            _ => {
                let detail = "the query is epoch=0 and wait=SECONDS";
                return Err(Refusal::new(Reason::Malformed, detail));
            }
        }
    }
    Ok(wait.min(LONGEST_WAIT))
}

fn refused(refusal: &Refusal) -> Answer {
    let status = refusal.reason.status();
    let mut response = answer(status, "application/problem+json", refusal.body());
    if matches!(refusal.reason, Reason::Busy | Reason::Unavailable) {
        let seconds = http::HeaderValue::from_static("2");
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn answer(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let media_type = http::HeaderValue::from_static(media_type);
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(
        header::CACHE_CONTROL,
        http::HeaderValue::from_static("no-store"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_a_service_and_nothing_else() {
        let service = service_of("bank/wallet").unwrap();
        assert_eq!((service.name(), service.namespace()), ("wallet", "bank"));
        for bad in [
            "",
            "bank",
            "bank/",
            "bank/wallet/status",
            "bank/../x",
            "Bank/w",
            "b/w?x",
        ] {
            assert!(service_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn waiting_has_an_end() {
        assert_eq!(wait_of("").unwrap(), Duration::ZERO);
        assert_eq!(wait_of("epoch=0&wait=25").unwrap(), Duration::from_secs(25));
        assert_eq!(wait_of("wait=9999999").unwrap(), LONGEST_WAIT);
        for bad in ["epoch=1", "wait=-1", "wait", "x=1"] {
            assert!(wait_of(bad).is_err(), "{bad}");
        }
    }
}
