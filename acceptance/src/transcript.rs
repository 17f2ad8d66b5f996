//! Raw HTTP over TCP, byte by byte, and responses as `curl -si` would save them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use crate::exchange::Received;

/// How long a gateway may take to answer raw bytes.
const PATIENCE: Duration = Duration::from_mins(1);

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

/// Why bytes are no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoResponse {
    /// The first line has no status.
    Status,
    /// A field line is none, or no empty line ends them.
    Field,
}

/// Takes a saved HTTP/1.1 response apart.
///
/// # Errors
/// Which part of it is not there.
pub fn take_apart(bytes: &[u8]) -> Result<Saved, NoResponse> {
    let first = line_end(bytes, 0).ok_or(NoResponse::Status)?;
    let status = status(&bytes[..first]).ok_or(NoResponse::Status)?;
    let (mut fields, mut start) = (Vec::new(), first + 2);
    loop {
        let end = line_end(bytes, start).ok_or(NoResponse::Field)?;
        if end == start {
            break;
        }
        fields.push(field(bytes, start..end).ok_or(NoResponse::Field)?);
        start = end + 2;
    }
    let body = start + 2..bytes.len();
    let headers = fields.iter().map(|(name, value)| {
        let name = String::from_utf8_lossy(&bytes[name.clone()]).to_ascii_lowercase();
        (name, bytes[value.clone()].to_vec())
    });
    let received = Received {
        status,
        headers: headers.collect(),
        body: bytes[body.clone()].to_vec().into(),
    };
    let (status, reason) = (STATUS, STATUS.end..first);
    Ok(Saved {
        received,
        status,
        reason,
        fields,
        body,
    })
}

/// Where the digits are in `HTTP/1.1 200 OK`.
const STATUS: Range<usize> = 9..12;

fn status(line: &[u8]) -> Option<u16> {
    let version = line.starts_with(b"HTTP/1.1 ") || line.starts_with(b"HTTP/1.0 ");
    let digits = line
        .get(STATUS)
        .filter(|digits| digits.iter().all(u8::is_ascii_digit));
    std::str::from_utf8(digits.filter(|_| version)?)
        .ok()?
        .parse()
        .ok()
}

fn line_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    rest.windows(2)
        .position(|window| window == b"\r\n")
        .map(|place| start + place)
}

fn field(bytes: &[u8], line: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let colon = line.start + bytes[line.clone()].iter().position(|byte| *byte == b':')?;
    let name = line.start..colon;
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !bytes[name.clone()].iter().all(token) {
        return None;
    }
    let value = &bytes[colon + 1..line.end];
    let blank = value
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    Some((name, colon + 1 + blank..line.end))
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
        let refused = |bytes: &[u8]| take_apart(bytes).unwrap_err();
        assert_eq!(refused(b"HTTP/1.1 20x OK\r\n\r\n"), NoResponse::Status);
        assert_eq!(
            refused(b"HTTP/1.1 200 OK\r\na,b: c\r\n\r\n"),
            NoResponse::Field
        );
        assert_eq!(refused(b"HTTP/1.1 200 OK\r\na: b\r\n"), NoResponse::Field);
    }
}
