//! Follows the bytes of an HTTP/1.1 connection and says how many of them may reach the parser.
//!
//! Heads are held back until they are whole and checked; bodies pass as they come, with chunked
//! framing checked. HTTP/2, whose framing is its own, passes unseen.

use super::head::{self, BodyFraming, MAX_HEAD_BYTES};
use super::violation::Violation;

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest line that starts a chunk, extensions included.
const MAX_CHUNK_LINE: usize = 256;

/// The most bytes of trailers.
const MAX_TRAILER_BYTES: usize = 4 * 1024;

/// Where the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a connection.
    Start,
    /// In a head, of which `scanned` bytes have well-formed line ends.
    Head { scanned: usize },
    /// In a body, or in chunk data when `chunked`, with so many bytes to come.
    Data { left: u64, chunked: bool },
    /// In the line before a chunk.
    ChunkLine,
    /// Before the CR LF behind a chunk.
    ChunkEnd,
    /// In the trailers, of which so many bytes have passed.
    Trailers { passed: usize },
    /// HTTP/2.
    Opaque,
}

/// The follower of one connection.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
}

impl Framing {
    /// At the start of a connection.
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
        }
    }

    /// How many bytes at the front of `buffer`, which is not empty, may pass; 0: more are needed.
    pub(super) fn step(&mut self, buffer: &[u8]) -> Result<usize, Violation> {
        match self.state {
            State::Start => self.start(buffer),
            State::Head { scanned } => self.head(buffer, scanned),
            State::Data { left, chunked } => Ok(self.data(buffer, left, chunked)),
            State::ChunkLine => self.chunk_line(buffer),
            State::ChunkEnd => self.chunk_end(buffer),
            State::Trailers { passed } => self.trailers(buffer, passed),
            State::Opaque => Ok(buffer.len()),
        }
    }

    /// Whether the next byte starts or continues a head.
    pub(super) fn expects_head(&self) -> bool {
        matches!(self.state, State::Start | State::Head { .. })
    }

    /// Whether the connection speaks HTTP/2.
    pub(super) fn is_opaque(&self) -> bool {
        self.state == State::Opaque
    }

    fn start(&mut self, buffer: &[u8]) -> Result<usize, Violation> {
        if buffer.starts_with(PREFACE) {
            self.state = State::Opaque;
            return Ok(PREFACE.len());
        }
        if PREFACE.starts_with(buffer) {
            return Ok(0);
        }
        self.state = State::Head { scanned: 0 };
        self.step(buffer)
    }

    fn head(&mut self, buffer: &[u8], scanned: usize) -> Result<usize, Violation> {
        // One empty line in front is passed over (RFC 9112 §2.2).
        let empty = if buffer.starts_with(b"\r\n") { 2 } else { 0 };
        let found = end_of_lines(buffer, scanned.max(empty))?;
        let length = found.map_or(buffer.len(), |end| end - empty);
        if length > MAX_HEAD_BYTES {
            return Err(Violation::TooLarge);
        }
        let Some(end) = found else {
            // The last bytes are looked at again: an empty line may have begun there.
            self.state = State::Head {
                scanned: buffer.len().saturating_sub(3),
            };
            return Ok(0);
        };
        self.state = match head::check(&buffer[empty..end])? {
            BodyFraming::Chunked => State::ChunkLine,
            BodyFraming::Fixed(0) => State::Head { scanned: 0 },
            BodyFraming::Fixed(left) => State::Data {
                left,
                chunked: false,
            },
        };
        Ok(end)
    }

    fn data(&mut self, buffer: &[u8], left: u64, chunked: bool) -> usize {
        let passing = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let left = left - passing as u64;
        self.state = match (left, chunked) {
            (0, true) => State::ChunkEnd,
            (0, false) => State::Head { scanned: 0 },
            _ => State::Data { left, chunked },
        };
        passing
    }

    fn chunk_line(&mut self, buffer: &[u8]) -> Result<usize, Violation> {
        let Some(line) = line(buffer, MAX_CHUNK_LINE)? else {
            return Ok(0);
        };
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let printable = line.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        let digits = (1..=15).contains(&size.len()) && size.iter().all(u8::is_ascii_hexdigit);
        if !(printable && digits) {
            return Err(Violation::Chunk);
        }
        let size = size
            .iter()
            .fold(0, |sum, digit| sum * 16 + u64::from(hex_value(*digit)));
        self.state = match size {
            0 => State::Trailers { passed: 0 },
            left => State::Data {
                left,
                chunked: true,
            },
        };
        Ok(line.len() + 2)
    }

    fn chunk_end(&mut self, buffer: &[u8]) -> Result<usize, Violation> {
        if buffer.starts_with(b"\r\n") {
            self.state = State::ChunkLine;
            return Ok(2);
        }
        if buffer == b"\r" {
            Ok(0)
        } else {
            Err(Violation::Chunk)
        }
    }

    fn trailers(&mut self, buffer: &[u8], passed: usize) -> Result<usize, Violation> {
        let Some(line) = line(buffer, MAX_TRAILER_BYTES - passed)? else {
            return Ok(0);
        };
        let length = line.len() + 2;
        if line.is_empty() {
            self.state = State::Head { scanned: 0 };
            return Ok(length);
        }
        let text = std::str::from_utf8(line).map_err(|_| Violation::Byte)?;
        head::field_line(text)?;
        let passed = passed + length;
        if passed > MAX_TRAILER_BYTES {
            return Err(Violation::Chunk);
        }
        self.state = State::Trailers { passed };
        Ok(length)
    }
}

/// The end of the head behind the empty line that closes it, if that is there. Every LF must
/// follow a CR and every CR be followed by a LF.
fn end_of_lines(buffer: &[u8], from: usize) -> Result<Option<usize>, Violation> {
    for (place, byte) in buffer.iter().enumerate().skip(from) {
        let before = place.checked_sub(1).map(|index| buffer[index]);
        let broken = match byte {
            b'\n' => before != Some(b'\r'),
            _ => before == Some(b'\r') && place > from,
        };
        if broken {
            return Err(Violation::LineEnding);
        }
        if *byte == b'\n' && place >= from + 3 && buffer[..=place].ends_with(b"\r\n\r\n") {
            return Ok(Some(place + 1));
        }
    }
    Ok(None)
}

/// The first line without its CR LF; `None` while it is not there.
fn line(buffer: &[u8], limit: usize) -> Result<Option<&[u8]>, Violation> {
    let seen = &buffer[..buffer.len().min(limit)];
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        return if buffer.len() > limit {
            Err(Violation::Chunk)
        } else {
            Ok(None)
        };
    };
    let line = seen[..end].strip_suffix(b"\r").ok_or(Violation::Chunk)?;
    if line.contains(&b'\r') {
        Err(Violation::Chunk)
    } else {
        Ok(Some(line))
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds bytes in pieces; returns how many passed.
    fn fed(bytes: &[u8], piece: usize) -> Result<usize, Violation> {
        let (mut framing, mut held, mut passed) = (Framing::new(), Vec::new(), 0);
        for part in bytes.chunks(piece) {
            held.extend_from_slice(part);
            while !held.is_empty() {
                match framing.step(&held)? {
                    0 => break,
                    count => {
                        held.drain(..count);
                        passed += count;
                    }
                }
            }
        }
        Ok(passed)
    }

    const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

    #[test]
    fn whole_requests_pass_however_they_arrive() {
        let plain = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let sized = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
        let texts = [
            format!("{plain}{sized}{plain}"),
            format!("\r\n{plain}"),
            format!("{sized}\r\n{plain}"),
            format!("{CHUNKED}3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n{plain}"),
            format!("{CHUNKED}0\r\nx: 1\r\n\r\n{plain}"),
            format!("{}anything\n\r\0", String::from_utf8_lossy(PREFACE)),
        ];
        for text in texts {
            for piece in [1, 2, 7, 10_000] {
                assert_eq!(
                    fed(text.as_bytes(), piece),
                    Ok(text.len()),
                    "{text:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn unfinished_heads_are_held() {
        assert_eq!(fed(b"GET / HTTP/1.1\r\nhost: a\r\n\r", 3), Ok(0));
        assert_eq!(fed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", 3), Ok(0));
    }

    #[test]
    fn broken_lines_are_refused_at_once() {
        let bad = [
            "GET / HTTP/1.1\n",
            "GET / HTTP/1.1\r\nhost: a\n\n",
            "GET / HTTP/1.1\rX",
            "\n",
            "\r\n\r\r",
            "PRI * HTTP/2.0\r\n\n",
        ];
        for text in bad {
            for piece in [1, 100] {
                assert_eq!(
                    fed(text.as_bytes(), piece),
                    Err(Violation::LineEnding),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn chunks_have_one_form() {
        let bad = [
            "\r\n",
            "+3\r\nabc",
            "0x3\r\nabc",
            "3 \r\nabc",
            "3\nabc",
            "-1\r\n",
            "g\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n",
            "1000000000000000\r\n",
            "3;\x01\r\n",
            "3;a\rb\r\n",
        ];
        for body in bad {
            for piece in [1, 1000] {
                let text = format!("{CHUNKED}{body}");
                assert_eq!(
                    fed(text.as_bytes(), piece),
                    Err(Violation::Chunk),
                    "{body:?}"
                );
            }
        }
        let long = format!("{CHUNKED}3;{}", "x".repeat(300));
        assert_eq!(fed(long.as_bytes(), 64), Err(Violation::Chunk));
        let trailers = format!("{CHUNKED}0\r\n{}", "x: 1\r\n".repeat(2000));
        assert_eq!(fed(trailers.as_bytes(), 64), Err(Violation::Chunk));
        let folded = format!("{CHUNKED}0\r\nx: 1\r\n y\r\n");
        assert_eq!(fed(folded.as_bytes(), 64), Err(Violation::Folding));
    }

    #[test]
    fn long_heads_are_refused_before_they_end() {
        let long = format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(MAX_HEAD_BYTES));
        assert_eq!(fed(long.as_bytes(), 1000), Err(Violation::TooLarge));
    }
}
