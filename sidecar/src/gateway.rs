//! The clients' way in: HTTP/1.1 and h2c, limits, and certified answers with their proofs.
//!
//! Every request but those for the gateway itself is put into canonical form, ordered, and
//! answered with what a quorum certified. Errors of the gateway's own are problem documents.

mod body;
mod cors;
mod digests;
mod framing;
mod head;
mod reply;
mod screened;
mod server;
mod unordered;
mod violation;
mod well_known;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use byzantine_consensus::Request;
use byzantine_proof::IdempotencyKey;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::canonical::RequestRules;
use crate::config::ProofTransport;
use crate::interposer::Interposer;
use crate::problem::{Problem, ProblemKind};
use crate::submission::{Driver, NotAccepted, SubmitError};

use cors::Cors;
use digests::WantedDigests;
use framing::Framing;
use reply::{Asked, Reply};
use unordered::Unordered;
use violation::{REFUSED_METHOD, Violation};

/// The most requests in the gateway at a time; each may hold a body.
const MAX_REQUESTS: usize = 1024;

/// When to try again where no better time is known, in seconds.
const RETRY_SECONDS: u32 = 1;

/// The length of the head at the front of a connection's bytes, if it is whole and strict enough
/// to reach the HTTP parser; none for HTTP/2, which has no such head.
pub fn strict_head(connection: &[u8]) -> Option<usize> {
    let mut framing = Framing::new();
    let some = (!connection.is_empty()).then_some(connection)?;
    let length = framing.step(some).ok().filter(|length| *length > 0)?;
    (!framing.is_opaque()).then_some(length)
}

/// Told the status and duration of every response.
pub type Observer = Box<dyn Fn(u16, Duration) + Send + Sync>;

/// What a gateway is made of.
pub struct GatewayParts {
    /// Where requests are ordered.
    pub driver: Driver,
    /// Which requests are canonical.
    pub rules: RequestRules,
    /// How proofs travel.
    pub transport: ProofTransport,
    /// The origins whose pages may read responses.
    pub cors_allow_origins: Vec<String>,
    /// Alters responses in tests; honest otherwise.
    pub interposer: Arc<dyn Interposer>,
    /// For metrics.
    pub observer: Observer,
}

/// A replica's gateway.
pub struct Gateway {
    driver: Driver,
    rules: RequestRules,
    transport: ProofTransport,
    cors: Cors,
    interposer: Arc<dyn Interposer>,
    observer: Observer,
    unordered: Option<Unordered>,
    permits: Semaphore,
    stopping: AtomicBool,
}

/// A body of our own, or one that is streamed from the app.
type ReplyBody = Either<Full<Bytes>, Incoming>;

/// What becomes of a request.
enum Served {
    Whole(Reply),
    Streamed(http::Response<Incoming>),
}

impl Gateway {
    /// A gateway that serves nobody yet.
    pub fn new(parts: GatewayParts) -> Self {
        Self {
            driver: parts.driver,
            rules: parts.rules,
            transport: parts.transport,
            cors: Cors::new(parts.cors_allow_origins),
            interposer: parts.interposer,
            observer: parts.observer,
            unordered: None,
            permits: Semaphore::new(MAX_REQUESTS),
            stopping: AtomicBool::new(false),
        }
    }

    /// Passes exactly these paths to the app at `address`, unordered and without proof; `host` is
    /// what it sees as `Host`.
    #[must_use]
    pub fn passing(self, paths: BTreeSet<String>, address: String, host: String) -> Self {
        let unordered = (!paths.is_empty()).then(|| Unordered::new(address, host, paths));
        Self { unordered, ..self }
    }

    /// Serves clients until `stop` resolves. Then it accepts nothing new and finishes what was
    /// accepted, for at most `drain`.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        drain: Duration,
    ) {
        server::serve(Arc::new(self), listener, stop, drain).await;
    }

    /// From now on requests on open connections get 503.
    fn refuse_new(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Answers one request.
    async fn handle(&self, request: hyper::Request<Incoming>) -> http::Response<ReplyBody> {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let response = match self.respond(&head, body).await {
            Served::Whole(mut reply) => {
                self.add_fields(&head, reply.headers_mut());
                if head.method == Method::HEAD {
                    leave_out_body(&mut reply);
                }
                let reply = self.interposer.client_response(reply);
                reply.map(|content| Either::Left(Full::new(content)))
            }
            Served::Streamed(mut response) => {
                self.add_fields(&head, response.headers_mut());
                response.map(Either::Right)
            }
        };
        (self.observer)(response.status().as_u16(), started.elapsed());
        response
    }

    /// What depends on who asks and when.
    fn add_fields(&self, head: &Parts, headers: &mut HeaderMap) {
        self.cors.apply(&head.headers, headers);
        let stopping = self.stopping.load(Ordering::Acquire);
        if stopping && matches!(head.version, Version::HTTP_10 | Version::HTTP_11) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    async fn respond(&self, head: &Parts, body: Incoming) -> Served {
        if head.method.as_str() == REFUSED_METHOD {
            return Served::Whole(reply::problem(&Violation::problem(head.uri.path())));
        }
        if let Some(preflight) = self.cors.preflight(head) {
            return Served::Whole(preflight);
        }
        if is_well_known(head.uri.path()) {
            return Served::Whole(self.well_known(head).await);
        }
        let request = match self.accept(head, body).await {
            Ok(request) => request,
            Err(problem) => return Served::Whole(reply::problem(&problem)),
        };
        match self
            .unordered
            .as_ref()
            .filter(|paths| paths.serves(&request.target))
        {
            Some(unordered) => match unordered.pass(&request).await {
                Ok(response) => Served::Streamed(response),
                Err(problem) => Served::Whole(reply::problem(&problem)),
            },
            None => Served::Whole(self.order(head, request).await),
        }
    }

    async fn well_known(&self, head: &Parts) -> Reply {
        let (driver, method) = (self.driver.clone(), head.method.clone());
        let path = head.uri.path().to_owned();
        let read = move || well_known::respond(&driver, &method, &path);
        tokio::task::spawn_blocking(read)
            .await
            .unwrap_or_else(|error| {
                let detail = format!("Reading the ledger failed: {error}.");
                reply::problem(&Problem::new(ProblemKind::NotAccepted, detail))
            })
    }

    /// Reads the body and puts the request into canonical form.
    async fn accept(&self, head: &Parts, body: Incoming) -> Result<Request, Problem> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(not_accepted(NotAccepted::ShuttingDown));
        }
        let _permit = self
            .permits
            .try_acquire()
            .map_err(|_| not_accepted(NotAccepted::QueueFull))?;
        let body = body::read(body, self.rules.max_body_bytes()).await?;
        self.rules.canonicalise(head, body)
    }

    /// Has a request ordered and answers it.
    async fn order(&self, head: &Parts, request: Request) -> Reply {
        let Ok(key) = IdempotencyKey::new(&request.key) else {
            return reply::problem(&not_accepted(NotAccepted::Invalid));
        };
        let asked = Asked {
            method: head.method.clone(),
            key,
            digests: WantedDigests::of(&head.headers),
        };
        let Ok(_permit) = self.permits.try_acquire() else {
            return refusal(&not_accepted(NotAccepted::QueueFull), &asked);
        };
        match self.driver.submit(request).await {
            Ok(certified) => reply::certified(&certified, &asked, self.transport),
            Err(SubmitError::NotAccepted(why)) => refusal(&not_accepted(why), &asked),
            Err(SubmitError::Undecided) => refusal(&undecided(), &asked),
        }
    }
}

/// A problem with the key under which the request is to be sent again.
fn refusal(problem: &Problem, asked: &Asked) -> Reply {
    let mut reply = reply::problem(problem);
    reply::name_key(reply.headers_mut(), &asked.key);
    reply
}

fn is_well_known(path: &str) -> bool {
    let rest = path.strip_prefix(well_known::PREFIX);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is known of the length stays: it is that of the response to GET.
fn leave_out_body(reply: &mut Reply) {
    let length = std::mem::take(reply.body_mut()).len();
    if length > 0 {
        reply
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

fn not_accepted(why: NotAccepted) -> Problem {
    let detail = format!("It will not run on this gateway's account: {why}.");
    Problem::new(ProblemKind::NotAccepted, detail).retry_after(RETRY_SECONDS)
}

fn undecided() -> Problem {
    let detail = "The request was accepted and handed to the other replicas, but its answer was \
                  not certified in time; perhaps too few replicas can talk to each other.";
    Problem::new(ProblemKind::Undecided, detail).retry_after(RETRY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_segment_is_well_known() {
        for path in [
            "/.well-known/byzantine",
            "/.well-known/byzantine/",
            "/.well-known/byzantine/x",
        ] {
            assert!(is_well_known(path), "{path}");
        }
        for path in ["/.well-known/byzantine2", "/.well-known/", "/"] {
            assert!(!is_well_known(path), "{path}");
        }
    }
}
