//! A response as `curl -si` writes it: status line, header fields, an empty line, the body.
//!
//! Interim responses and a proxy's `Connection established` before it are passed over; a
//! redirect that was followed (`curl -L`) is noted, for such a response proves nothing about
//! the URL asked for.

use byzantine_proof::VerifyError;

use crate::request::Fields;

/// More responses before the last one than any client follows.
const MAX_HOPS: usize = 64;

/// The parts of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transcript<'a> {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Fields,
    pub(crate) body: &'a [u8],
    /// Whether a redirect was followed before.
    pub(crate) redirected: bool,
}

/// Why bytes are no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TranscriptError {
    #[error("it does not start with a status line such as `HTTP/1.1 200 OK`")]
    NoStatusLine,
    #[error("`{0}` is not a status")]
    Status(String),
    #[error("header line {0} is not `name: value`")]
    Field(usize),
    #[error("no empty line ends its header fields")]
    Unfinished,
    #[error("more than {MAX_HOPS} responses come before the last one")]
    TooManyHops,
}

impl TranscriptError {
    /// The verifier's name for the same fact.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "E_STATUS",
            Self::Field(_) => "E_FIELDS",
            // Without a readable head there is no proof either.
            _ => VerifyError::NoProof { link: None }.name(),
        }
    }
}

/// Reads the last response of a transcript.
///
/// # Errors
/// [`TranscriptError`].
pub(crate) fn parse(bytes: &[u8]) -> Result<Transcript<'_>, TranscriptError> {
    let (mut rest, mut redirected) = (bytes, false);
    for _ in 0..MAX_HOPS {
        let (head, body) = head(rest)?;
        let follows = body.starts_with(b"HTTP/");
        let interim = (100..200).contains(&head.status) && head.status != 101;
        let hop = (300..400).contains(&head.status) && follows;
        let passed_over = interim || hop || (follows && head.tunnel);
        if !passed_over {
            let (status, headers) = (head.status, head.headers);
            return Ok(Transcript {
                status,
                headers,
                body,
                redirected,
            });
        }
        redirected |= hop;
        rest = body;
    }
    Err(TranscriptError::TooManyHops)
}

struct Head {
    status: u16,
    headers: Fields,
    /// A proxy's answer to CONNECT.
    tunnel: bool,
}

fn head(bytes: &[u8]) -> Result<(Head, &[u8]), TranscriptError> {
    let (line, mut rest) = line(bytes).ok_or(TranscriptError::NoStatusLine)?;
    let status = status(line)?;
    let tunnel = line.ends_with(b"onnection established");
    let mut headers = Vec::new();
    loop {
        let (text, after) = self::line(rest).ok_or(TranscriptError::Unfinished)?;
        rest = after;
        if text.is_empty() {
            return Ok((
                Head {
                    status,
                    headers,
                    tunnel,
                },
                rest,
            ));
        }
        headers.push(field(text).ok_or(TranscriptError::Field(headers.len() + 1))?);
    }
}

/// The next line without its end, and what follows.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let text = &bytes[..end];
    Some((text.strip_suffix(b"\r").unwrap_or(text), &bytes[end + 1..]))
}

/// `HTTP/1.1 200 OK`, or `HTTP/2 200` without a reason.
fn status(line: &[u8]) -> Result<u16, TranscriptError> {
    let text = line
        .strip_prefix(b"HTTP/")
        .ok_or(TranscriptError::NoStatusLine)?;
    let mut words = text.splitn(3, |byte| *byte == b' ');
    let version = words.next().unwrap_or_default();
    if !matches!(version, b"1.0" | b"1.1" | b"2" | b"2.0" | b"3") {
        return Err(TranscriptError::NoStatusLine);
    }
    let word = words.next().unwrap_or_default();
    let refused = || TranscriptError::Status(word.escape_ascii().to_string());
    let digits = word.len() == 3 && word.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(word).ok().filter(|_| digits);
    number
        .and_then(|text| text.parse().ok())
        .ok_or_else(refused)
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = http::HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name.as_str().to_owned(), trim(&line[colon + 1..]).to_vec()))
}

/// Without the optional white space of RFC 9110 §5.5, and nothing more: other bytes count.
fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    &value[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curl_writes_is_read() {
        let cases: [(&[u8], u16, bool); 6] = [
            (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", 200, false),
            (b"HTTP/2 200 \r\na: b\r\n\r\nbody", 200, false),
            (
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 \r\na: b\r\n\r\nbody",
                201,
                false,
            ),
            (
                b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK\na: b\n\nbody",
                200,
                false,
            ),
            (
                b"HTTP/1.1 302 Found\r\nlocation: /\r\n\r\nHTTP/1.1 200 OK\r\na: b\r\n\r\nbody",
                200,
                true,
            ),
            (b"HTTP/1.1 302 Found\r\na: b\r\n\r\nbody", 302, false),
        ];
        for (bytes, status, redirected) in cases {
            let read = parse(bytes).unwrap();
            assert_eq!((read.status, read.redirected), (status, redirected));
            assert_eq!(read.headers, [("a".to_owned(), b"b".to_vec())]);
            assert_eq!(read.body, b"body");
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "E_NO_PROOF"),
            (b"hello\r\n\r\n", "E_NO_PROOF"),
            (b"HTTP/1.1 2x0 OK\r\n\r\n", "E_STATUS"),
            (b"HTTP/1.1 2000 OK\r\n\r\n", "E_STATUS"),
            (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "E_FIELDS"),
            (b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n", "E_FIELDS"),
            (b"HTTP/1.1 200 OK\r\na: b\r\n", "E_NO_PROOF"),
        ];
        for (bytes, name) in cases {
            let error = parse(bytes).unwrap_err();
            assert_eq!(error.name(), name, "{error}");
        }
        assert_eq!(
            parse(&b"HTTP/1.1 100 C\r\n\r\n".repeat(99)),
            Err(TranscriptError::TooManyHops)
        );
    }
}
