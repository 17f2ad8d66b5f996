//! Members with keys on disk, and plain HTTP over a socket.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use byzantine_proof::{Membership, ReplicaId, ServiceName};
use byzantine_sidecar::keystore::Keystore;

/// Four members whose keys lie under a directory.
pub(crate) struct Members {
    pub(crate) membership: Arc<Membership>,
    pub(crate) keys: Vec<Keystore>,
}

impl Members {
    pub(crate) fn new(directory: &Path) -> Self {
        let ids = (0..4).map(ReplicaId);
        let keys: Vec<Keystore> = ids
            .clone()
            .map(|id| Keystore::generate(&key_directory(directory, id)).unwrap())
            .collect();
        let members = ids.zip(&keys).map(|(id, keys)| keys.member(id)).collect();
        let service = ServiceName::new("echo", "local", "test.example").unwrap();
        let membership = Arc::new(Membership::new(service, 0, 1, 3, members).unwrap());
        std::fs::write(directory.join("membership"), membership.to_text()).unwrap();
        Self { membership, keys }
    }
}

pub(crate) fn key_directory(directory: &Path, replica: ReplicaId) -> PathBuf {
    directory.join(format!("replica-{replica}/keys"))
}

/// An address on which nothing listens now, and that no other caller of this process gets. It is
/// below the range from which the system takes ports for outgoing connections, so that it is
/// still free when a replica that listened there is started again.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = u16::try_from(std::process::id() % 900).unwrap() * 10;
    loop {
        let port = 20_000 + (spread + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A response: status, head and body as text.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// As they came.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Sends one request on a connection of its own.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    key: Option<&str>,
    body: &str,
) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let key = key.map_or_else(String::new, |key| format!("Idempotency-Key: \"{key}\"\r\n"));
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{key}\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(invalid)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let lines = head.lines().skip(1);
    let fields = lines.filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.to_owned()))
    });
    Ok(Response {
        status: status.ok_or_else(invalid)?,
        head: head.to_ascii_lowercase(),
        fields: fields.collect(),
        body: body.to_owned(),
    })
}

/// Looks until `condition` holds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "{what} did not happen within a minute"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
