//! Raw HTTP over TCP, byte by byte, and responses as `curl -si` would save them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use crate::exchange::Received;

/// How long a gateway may take to answer raw bytes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends bytes and returns everything that comes back until the gateway closes, or until a whole
/// response is there.
///
/// # Panics
/// When nobody listens.
pub fn exchange_raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    let _ = stream.set_read_timeout(Some(PATIENCE));
    // A gateway may refuse and close before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    response
}

/// The parts of a saved response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// What a verifier sees.
    pub received: Received,
    /// The digits of the status.
    pub status: Range<usize>,
    /// The words behind them.
    pub reason: Range<usize>,
    /// Name and value of each field, in order.
    pub fields: Vec<(Range<usize>, Range<usize>)>,
    /// The body.
    pub body: Range<usize>,
}

/// Takes a saved HTTP/1.1 response apart; `None` when it is none.
pub fn take_apart(bytes: &[u8]) -> Option<Saved> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let first = bytes.windows(2).position(|window| window == b"\r\n")?;
    let line = std::str::from_utf8(&bytes[..first]).ok()?;
    let code = line.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let status: u16 = code.parse().ok()?;
    let (mut fields, mut start) = (Vec::new(), first + 2);
    while start < head {
        let end = start
            + bytes[start..]
                .windows(2)
                .position(|window| window == b"\r\n")?;
        fields.push(field(bytes, start..end)?);
        start = end + 2;
    }
    let body = head + 4..bytes.len();
    let text = |range: &Range<usize>| String::from_utf8_lossy(&bytes[range.clone()]);
    let pairs = fields.iter();
    let headers = pairs.map(|(name, value)| {
        (
            text(name).to_ascii_lowercase(),
            bytes[value.clone()].to_vec(),
        )
    });
    let received = Received {
        status,
        headers: headers.collect(),
        body: bytes[body.clone()].to_vec().into(),
    };
    let (status, reason) = (9..12, 12..first);
    Some(Saved {
        received,
        status,
        reason,
        fields,
        body,
    })
}

fn field(bytes: &[u8], line: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let colon = line.start + bytes[line.clone()].iter().position(|byte| *byte == b':')?;
    let value = &bytes[colon + 1..line.end];
    let blank = value
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    Some((line.start..colon, colon + 1 + blank..line.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_falls_into_its_parts() {
        let bytes = b"HTTP/1.1 201 Created\r\nA: b\r\nc:d\r\n\r\nbody";
        let saved = take_apart(bytes).unwrap();
        assert_eq!(saved.received.status, 201);
        assert_eq!(saved.received.header("c"), Some("d"));
        assert_eq!(&bytes[saved.reason.clone()], b" Created");
        assert_eq!(&bytes[saved.fields[0].1.clone()], b"b");
        assert_eq!(&bytes[saved.body.clone()], b"body");
        assert_eq!(take_apart(b"HTTP/1.1 20x OK\r\n\r\n"), None);
    }
}
