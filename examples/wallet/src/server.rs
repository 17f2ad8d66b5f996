//! HTTP in front of the writer, from start to graceful stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::answer::Answer;
use crate::arguments::Arguments;
use crate::operation::{MAX_BODY_BYTES, Operation};
use crate::ordinal::Ordinal;
use crate::refusal::Refusal;
use crate::snapshot;
use crate::store::{Store, StoreError};
use crate::writer::{Ending, Task, Writer};

/// Connections served at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 512;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// How long to wait before accepting again after accepting failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long requests under way may take to finish after a signal to stop.
const STOP_TIME: Duration = Duration::from_secs(10);

/// Why the wallet did not start, or stopped of itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The database cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; set PORT or --listen to an address that is free"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The system refused something every process needs.
    #[error("cannot {action}: {source}; raise this process's limits and start it again")]
    System {
        /// What was being done.
        action: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// The database failed while serving.
    #[error(
        "the database failed, so nothing more can be answered: {0}; free space or repair the \
         disk, then start again: what was answered is stored"
    )]
    Database(rusqlite::Error),
    /// The writer's thread ended without saying why.
    #[error(
        "the writer stopped unexpectedly; its last words are above, what was answered is stored"
    )]
    WriterLost,
}

/// Why a connection is dropped without an answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("the request's body did not arrive")]
    BodyLost,
    #[error("the database failed")]
    DatabaseFailed,
}

/// Serves until a signal to stop, then finishes what was begun.
///
/// # Errors
/// Why it could not start, or had to stop.
pub async fn run(arguments: Arguments) -> Result<(), ServerError> {
    let mut stop = StopSignals::listen()?;
    let store = Store::open(&arguments.data)?;
    let listener = listen(&arguments).await?;
    let (writer, mut ending) = Writer::start(store).map_err(|source| ServerError::System {
        action: "start a thread",
        source,
    })?;
    announce(&listener, &arguments);
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = accept(&listener, &writer, &connections) => {}
        () = stop.received() => {}
        ended = &mut ending => return finish(ended),
    }
    drop(listener);
    // Whoever does not finish in time is cut off; nothing half done is ever stored.
    let _ = timeout(STOP_TIME, connections.shutdown()).await;
    drop(writer);
    await_ending(ending).await
}

/// The signals that ask for a stop.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> Result<Self, ServerError> {
        let failed = |source| ServerError::System {
            action: "listen for signals",
            source,
        };
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        Ok(Self {
            terminate,
            interrupt,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn listen(arguments: &Arguments) -> Result<TcpListener, ServerError> {
    let address = SocketAddr::new(arguments.listen, arguments.port);
    TcpListener::bind(address)
        .await
        .map_err(|source| ServerError::Listen { address, source })
}

fn announce(listener: &TcpListener, arguments: &Arguments) {
    if let Ok(address) = listener.local_addr() {
        eprintln!(
            "wallet: listening on http://{address}, data in {}",
            arguments.data.display()
        );
    }
}

async fn await_ending(ending: Ending) -> Result<(), ServerError> {
    // Connections that were cut off may still hold the writer.
    match timeout(STOP_TIME, ending).await {
        Ok(ended) => finish(ended),
        Err(_) => Ok(()),
    }
}

fn finish(ended: Result<Option<rusqlite::Error>, RecvError>) -> Result<(), ServerError> {
    match ended {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(ServerError::Database(error)),
        Err(_) => Err(ServerError::WriterLost),
    }
}

/// Accepts connections for ever.
async fn accept(listener: &TcpListener, writer: &Writer, connections: &GracefulShutdown) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => serve(stream, slot, writer.clone(), connections),
            // Out of descriptors, most likely: nothing announces that there are some again.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves one connection in a task of its own.
fn serve(
    stream: TcpStream,
    slot: OwnedSemaphorePermit,
    writer: Writer,
    connections: &GracefulShutdown,
) {
    // Small answers must not wait for a full packet; without the option they are only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let writer = writer.clone();
        async move { respond(request, &writer).await }
    });
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let watched = connections.watch(connection);
    tokio::spawn(async move {
        // A client that breaks its connection off is no concern of the others.
        let _ = watched.await;
        drop(slot);
    });
}

async fn respond(
    request: Request<Incoming>,
    writer: &Writer,
) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let (head, body) = request.into_parts();
    let ordinal = Ordinal::of(&head.headers);
    // The whole state is between the wallet and its sidecar: no ordered request gets at it.
    let bulk = head.uri.path() == snapshot::PATH && matches!(ordinal, Ok(None));
    let limit = if bulk {
        snapshot::MAX_SNAPSHOT_BYTES
    } else {
        MAX_BODY_BYTES
    };
    let task = match (ordinal, read_body(body, limit).await?) {
        (Err(refusal), _) => return sent(refusal.answer()),
        (Ok(ordinal), Err(refusal)) => Task::CarryOut(ordinal, Err(refusal)),
        (Ok(_), Ok(_)) if bulk && head.method == Method::GET => Task::Give,
        (Ok(_), Ok(body)) if bulk && head.method == Method::PUT => Task::Take(body),
        (Ok(ordinal), Ok(body)) => {
            let asked = Operation::read(&head.method, head.uri.path(), &body);
            Task::CarryOut(ordinal, asked)
        }
    };
    let answer = writer.work(task).await.ok_or(NoAnswer::DatabaseFailed)?;
    sent(answer)
}

fn sent(answer: Answer) -> Result<Response<Full<Bytes>>, NoAnswer> {
    answer.into_response().ok_or(NoAnswer::DatabaseFailed)
}

/// The whole body, or the refusal that it is too long. A body that breaks off is no request.
async fn read_body(body: Incoming, limit: usize) -> Result<Result<Bytes, Refusal>, NoAnswer> {
    let whole = Limited::new(body, limit).collect();
    match timeout(BODY_TIME, whole)
        .await
        .map_err(|_| NoAnswer::BodyLost)?
    {
        Ok(body) => Ok(Ok(body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(Err(Refusal::BodyTooLong { limit })),
        Err(_) => Err(NoAnswer::BodyLost),
    }
}
