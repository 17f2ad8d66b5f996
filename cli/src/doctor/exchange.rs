//! One request to an app and its answer, with the header fields in the order they came.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::CliError;
use crate::request::Fields;
use crate::transcript;

/// The longest answer that is compared.
const MAX_BYTES: u64 = 8 << 20;

const PATIENCE: Duration = Duration::from_secs(30);

/// The agreed time that the first request gets, in milliseconds; each next one is a second later.
const FIRST_TIME_MS: u64 = 1_700_000_000_000;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: String,
}

/// An answer, or why there is none.
pub(super) type Answered = Result<Answer, String>;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// In the order they came.
    pub(super) headers: Fields,
    pub(super) body: Vec<u8>,
}

impl Exchange {
    /// Reads `METHOD PATH [BODY]`.
    ///
    /// # Errors
    /// [`CliError::RequestText`].
    pub(crate) fn parse(text: &str) -> Result<Self, CliError> {
        let refused = || CliError::RequestText {
            text: text.to_owned(),
        };
        let mut words = text.trim().splitn(3, ' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next());
        let target = target.ok_or_else(refused)?;
        let known = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        let visible = target.bytes().all(|byte| byte.is_ascii_graphic());
        if !known || !target.starts_with('/') || !visible {
            return Err(refused());
        }
        let (method, target) = (method.to_owned(), target.to_owned());
        Ok(Self {
            method,
            target,
            body: words.next().unwrap_or_default().to_owned(),
        })
    }

    /// Sends it as a sidecar would, as call number `ordinal`.
    pub(super) async fn send(&self, port: u16, ordinal: u64) -> Answered {
        let exchange = self.exchange(port, ordinal);
        let timed = tokio::time::timeout(PATIENCE, exchange).await;
        timed.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
    }

    async fn exchange(&self, port: u16, ordinal: u64) -> Answered {
        let failed = |error: std::io::Error| format!("no answer: {error}");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(failed)?;
        stream
            .write_all(self.text(ordinal).as_bytes())
            .await
            .map_err(failed)?;
        let mut bytes = Vec::new();
        let read = stream.take(MAX_BYTES).read_to_end(&mut bytes).await;
        // An app that resets the connection after its answer has answered.
        if let (Err(error), true) = (read, bytes.is_empty()) {
            return Err(failed(error));
        }
        let read = transcript::parse(&bytes).map_err(|error| format!("no HTTP answer: {error}"))?;
        let chunked = read.headers.iter().any(|(name, value)| {
            name == "transfer-encoding" && value.to_ascii_lowercase().ends_with(b"chunked")
        });
        let body = if chunked {
            unchunked(read.body)
        } else {
            read.body.to_vec()
        };
        Ok(Answer {
            status: read.status,
            headers: read.headers,
            body,
        })
    }

    fn text(&self, ordinal: u64) -> String {
        let Self {
            method,
            target,
            body,
        } = self;
        let time = FIRST_TIME_MS + ordinal * 1000;
        let seed = byzantine_proof::Digest::of(&ordinal.to_be_bytes());
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/json\r\n"
        };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: app.default\r\nConnection: close\r\n\
             Accept: */*\r\nAccept-Encoding: identity\r\nIdempotency-Key: \"doctor-{ordinal}\"\r\n\
             Byzantine-Time: {time}\r\nByzantine-Seed: {seed}\r\nByzantine-Ordinal: {ordinal}\r\n\
             {kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.target)
    }
}

/// The content of a chunked body (RFC 9112 §7.1) as far as it can be read.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let digits = bytes[..end]
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        let size = std::str::from_utf8(digits).ok();
        let size = size.and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let rest = &bytes[end + 2..];
        match size {
            Some(size) if size > 0 && size <= rest.len() => {
                content.extend_from_slice(&rest[..size]);
                bytes = rest[size..].strip_prefix(b"\r\n").unwrap_or_default();
            }
            _ => break,
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        let read = Exchange::parse("POST /a?b {\"c\": 1}").unwrap();
        assert_eq!(
            (read.method.as_str(), read.target.as_str()),
            ("POST", "/a?b")
        );
        assert_eq!(read.body, "{\"c\": 1}");
        for bad in ["", "GET", "get /", "GET a", "GET /ä"] {
            assert!(Exchange::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn chunks_are_joined() {
        assert_eq!(unchunked(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"), b"abcde");
        assert_eq!(unchunked(b"ffffffffffffffff\r\nabc"), b"");
        assert_eq!(unchunked(b"zz\r\n"), b"");
    }
}
