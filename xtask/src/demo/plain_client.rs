//! A client that knows nothing of proofs, as small as one can be: HTTP/1.1 over one connection.
//!
//! It exists so that the demonstration needs no curl; what it reads is what curl -i would print.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);
const RESPONSE_BYTES_MAX: u64 = 4 << 20;

/// A request of the demonstration.
#[derive(Debug, Clone)]
pub(crate) struct PlainRequest {
    /// `GET` or `POST`.
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) target: String,
    /// A JSON body, empty for none.
    pub(crate) body: String,
    /// The Idempotency-Key; empty for none.
    pub(crate) key: String,
}

impl PlainRequest {
    /// A `GET` without a key.
    pub(crate) fn get(target: &str) -> Self {
        Self {
            method: "GET",
            target: target.into(),
            body: String::new(),
            key: String::new(),
        }
    }

    fn bytes(&self, port: u16) -> Vec<u8> {
        let Self {
            method,
            target,
            body,
            ..
        } = self;
        let key = match self.key.as_str() {
            "" => String::new(),
            key => format!("Idempotency-Key: \"{key}\"\r\n"),
        };
        let content = match body.len() {
            0 => String::new(),
            length => {
                format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
            }
        };
        let fixed = format!("Host: 127.0.0.1:{port}\r\nConnection: close\r\nAccept: */*\r\n");
        format!("{method} {target} HTTP/1.1\r\n{fixed}{key}{content}\r\n{body}").into_bytes()
    }
}

/// A response as it came: status line, fields, empty line, body.
#[derive(Debug, Clone)]
pub(crate) struct PlainResponse {
    /// Every byte.
    pub(crate) bytes: Vec<u8>,
}

impl PlainResponse {
    /// The status, 0 if there is none.
    pub(crate) fn status(&self) -> u16 {
        let line = self
            .bytes
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        line.split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0)
    }

    /// What follows the empty line.
    pub(crate) fn body(&self) -> &[u8] {
        let end = self
            .bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n");
        end.map_or(&[], |end| &self.bytes[end + 4..])
    }
}

/// Sends a request to a port of this machine and reads the response to its end.
///
/// # Errors
/// What the socket says.
pub(crate) fn send(port: u16, request: &PlainRequest) -> std::io::Result<PlainResponse> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(&request.bytes(port))?;
    let mut bytes = Vec::new();
    stream.take(RESPONSE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(PlainResponse { bytes })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_request_is_written_as_curl_writes_it() {
        let request = PlainRequest {
            method: "POST",
            target: "/transfers".into(),
            body: "{}".into(),
            key: "one".into(),
        };
        let text = String::from_utf8(request.bytes(15080)).unwrap();
        assert_eq!(
            text,
            "POST /transfers HTTP/1.1\r\nHost: 127.0.0.1:15080\r\nConnection: close\r\n\
             Accept: */*\r\nIdempotency-Key: \"one\"\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn a_response_is_read_whole() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut received = [0; 512];
            let _ = stream.read(&mut received).unwrap();
            stream
                .write_all(b"HTTP/1.1 201 Created\r\nA: b\r\n\r\nbody")
                .unwrap();
        });
        let response = send(port, &PlainRequest::get("/")).unwrap();
        server.join().unwrap();
        assert_eq!((response.status(), response.body()), (201, &b"body"[..]));
    }

    #[test]
    fn nonsense_has_no_status_and_no_body() {
        let response = PlainResponse {
            bytes: b"nonsense".to_vec(),
        };
        assert_eq!((response.status(), response.body()), (0, &b""[..]));
    }
}
