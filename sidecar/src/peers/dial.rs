//! The link to one peer: dial, write until it breaks, dial again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use byzantine_proof::ReplicaId;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::client::TlsStream;

use super::PeerEvent;
use super::framing::write_frame;
use super::identity::Identity;
use super::lane::{Lane, Waiting};
use crate::interposer::Isolation;

/// For resolving, connecting and the handshake together.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// A frame that cannot be written for so long means that the peer is gone or does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A connection that stood this long starts the pauses afresh.
const STEADY: Duration = Duration::from_secs(10);

/// Keeps the link to one peer up.
pub(super) struct Dialler {
    pub(super) identity: Arc<Identity>,
    pub(super) peer: ReplicaId,
    pub(super) address: String,
    pub(super) lane: Arc<Lane>,
    pub(super) events: mpsc::Sender<PeerEvent>,
    pub(super) isolation: Isolation,
}

impl Dialler {
    /// Runs until nobody listens for events any more.
    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while !self.events.is_closed() {
            self.isolation.ended().await;
            match timeout(DIAL_TIMEOUT, self.connect()).await {
                Ok(Ok(stream)) => {
                    let since = tokio::time::Instant::now();
                    if !self.serve(stream).await {
                        return;
                    }
                    if since.elapsed() >= STEADY {
                        pause = FIRST_PAUSE;
                    }
                }
                Ok(Err(error)) => self.note(&error),
                Err(_) => self.note(&io::Error::from(io::ErrorKind::TimedOut)),
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn note(&self, error: &io::Error) {
        let (peer, address) = (self.peer, &self.address);
        tracing::debug!(%peer, address, %error, "cannot reach a peer; trying again");
    }

    /// Resolves the name anew each time: addresses of peers may change.
    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let connector = self
            .identity
            .connector(self.peer)
            .map_err(io::Error::other)?;
        // The key is the identity; TLS wants a name all the same.
        let name = ServerName::try_from("byzantine").map_err(io::Error::other)?;
        connector.connect(name, stream).await
    }

    /// Writes what waits until the link breaks; false when the driver is gone.
    async fn serve(&mut self, stream: TlsStream<TcpStream>) -> bool {
        let waiting = self.lane.open();
        let peer = self.peer;
        tracing::info!(%peer, "link to a peer is up");
        if self.events.send(PeerEvent::Connected).await.is_err() {
            return false;
        }
        let (read, write) = tokio::io::split(stream);
        let ended = tokio::select! {
            ended = write_all(write, waiting) => ended,
            ended = until_closed(read) => ended,
            () = self.isolation.begun() => Ok(()),
        };
        self.lane.close();
        let cause = ended
            .err()
            .map_or_else(|| "cut".to_owned(), |error| error.to_string());
        tracing::info!(%peer, cause, "link to a peer is down");
        self.events.send(PeerEvent::Disconnected).await.is_ok()
    }
}

async fn write_all(
    stream: WriteHalf<TlsStream<TcpStream>>,
    mut waiting: Waiting,
) -> io::Result<()> {
    let mut stream = BufWriter::with_capacity(64 * 1024, stream);
    while let Some(queued) = waiting.next().await {
        // A lane that was cut is not drained: what is in it is stale.
        if waiting.is_closed() {
            break;
        }
        if let Some(due) = queued.due {
            stream.flush().await?;
            sleep_until(due).await;
        }
        timeout(WRITE_TIMEOUT, write_frame(&mut stream, &queued.frame)).await??;
        if waiting.is_empty() {
            timeout(WRITE_TIMEOUT, stream.flush()).await??;
        }
    }
    Ok(())
}

/// The peer sends nothing here; so anything that comes, or the end, ends the link.
async fn until_closed(mut stream: ReadHalf<TlsStream<TcpStream>>) -> io::Result<()> {
    match stream.read(&mut [0]).await? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

/// Half the pause and a random part of the other half, so that replicas started together do not
/// dial in step.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(0);
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}
