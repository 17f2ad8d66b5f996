//! Connections that peers dialled: whoever proves a member's key is read, nobody else.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use byzantine_consensus::Frame;
use byzantine_proof::ReplicaId;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::PeerEvent;
use super::framing::{ROOM_BYTES, read_frame};
use super::identity::Identity;
use super::pinning::member_of;
use crate::interposer::Isolation;

/// Handshakes at one time; strangers can occupy these and nothing more.
const HANDSHAKES: usize = 64;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// After an error of the listener, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Events = Vec<Option<mpsc::Sender<PeerEvent>>>;

/// Accepts until it is dropped.
pub(super) async fn run(
    listener: TcpListener,
    identity: Arc<Identity>,
    events: Events,
    isolation: Isolation,
) {
    let Ok(acceptor) = identity.acceptor() else {
        // It was made once already when the identity was.
        return;
    };
    let room = || Arc::new(Semaphore::new(ROOM_BYTES));
    let rooms: Vec<_> = events.iter().map(|_| room()).collect();
    let (mut handshakes, mut readers) = (JoinSet::new(), Readers::default());
    loop {
        tokio::select! {
            accepted = listener.accept(), if handshakes.len() < HANDSHAKES => match accepted {
                Ok((stream, _)) if isolation.lasts() => drop(stream),
                Ok((stream, _)) => {
                    handshakes.spawn(handshake(stream, acceptor.clone(), Arc::clone(&identity)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a peer's connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(done) = handshakes.join_next() => {
                let Ok(Some((peer, stream))) = done else { continue };
                let place = usize::from(peer.0);
                if let (Some(Some(events)), Some(room)) = (events.get(place), rooms.get(place)) {
                    let reading = read(stream, events.clone(), Arc::clone(room));
                    readers.replace(peer, until_isolated(reading, isolation.clone()));
                }
            }
        }
    }
}

/// At most one reader a peer: a new connection means that the old one is dead or given up.
#[derive(Default)]
struct Readers {
    tasks: JoinSet<()>,
    current: BTreeMap<ReplicaId, AbortHandle>,
}

impl Readers {
    fn replace(&mut self, peer: ReplicaId, reader: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        let new = self.tasks.spawn(reader);
        if let Some(old) = self.current.insert(peer, new) {
            old.abort();
        }
    }
}

async fn until_isolated(reading: impl Future<Output = ()>, mut isolation: Isolation) {
    tokio::select! {
        biased;
        () = isolation.begun() => {}
        () = reading => {}
    }
}

async fn handshake(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    identity: Arc<Identity>,
) -> Option<(ReplicaId, TlsStream<TcpStream>)> {
    stream.set_nodelay(true).ok()?;
    let address = stream.peer_addr().ok()?;
    let accepted = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
    let accepted = accepted
        .map_err(io::Error::from)
        .and_then(|accepted| accepted);
    match accepted {
        Ok(stream) => {
            let certificate = stream.get_ref().1.peer_certificates()?.first()?;
            let peer = member_of(identity.membership(), certificate)?;
            Some((peer, stream))
        }
        Err(error) => {
            tracing::debug!(%address, %error, "refused a connection to the peer port");
            None
        }
    }
}

async fn read(stream: TlsStream<TcpStream>, events: mpsc::Sender<PeerEvent>, room: Arc<Semaphore>) {
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    loop {
        let event = match read_frame(&mut stream, &room).await {
            Ok(Some((bytes, room))) => match Frame::decode(&bytes) {
                Some(frame) => PeerEvent::Frame { frame, room },
                None => PeerEvent::Malformed,
            },
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => PeerEvent::Malformed,
            Ok(None) | Err(_) => return,
        };
        let last = matches!(event, PeerEvent::Malformed);
        if events.send(event).await.is_err() || last {
            return;
        }
    }
}
