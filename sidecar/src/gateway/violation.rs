//! What a connection is refused for before its bytes reach the HTTP parser.
//!
//! A refusal travels through the parser as a request of its own, so that it is answered in turn,
//! with a problem document, and the connection closes behind it.

use crate::problem::{Problem, ProblemKind};

/// The method of the request that stands for a refused one. A client may send it, too: it only
/// gets the refusal.
pub(super) const REFUSED_METHOD: &str = "BYZANTINE-REFUSED";

/// A shape that two HTTP implementations may read differently, or that takes too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violation {
    /// A line that does not end in CR LF, or a CR elsewhere.
    LineEnding,
    /// A control character or a byte beyond ASCII.
    Byte,
    /// Not `method target HTTP/1.x`.
    RequestLine,
    /// A field line without a token and a colon behind it.
    FieldLine,
    /// A folded field line (RFC 9112 §5.2).
    Folding,
    /// No, several or odd `Host` fields.
    Host,
    /// Several or malformed `Content-Length` fields.
    ContentLength,
    /// `Transfer-Encoding` other than one `chunked`, or in HTTP/1.0.
    TransferEncoding,
    /// Both lengths at once.
    TwoLengths,
    /// A chunked body whose framing is wrong.
    Chunk,
    /// The head is too long or has too many fields.
    TooLarge,
    /// The head did not arrive in time.
    Slow,
}

impl Violation {
    const ALL: [Self; 12] = [
        Self::LineEnding,
        Self::Byte,
        Self::RequestLine,
        Self::FieldLine,
        Self::Folding,
        Self::Host,
        Self::ContentLength,
        Self::TransferEncoding,
        Self::TwoLengths,
        Self::Chunk,
        Self::TooLarge,
        Self::Slow,
    ];

    fn code(self) -> &'static str {
        match self {
            Self::LineEnding => "/line-ending",
            Self::Byte => "/byte",
            Self::RequestLine => "/request-line",
            Self::FieldLine => "/field-line",
            Self::Folding => "/folding",
            Self::Host => "/host",
            Self::ContentLength => "/content-length",
            Self::TransferEncoding => "/transfer-encoding",
            Self::TwoLengths => "/two-lengths",
            Self::Chunk => "/chunk",
            Self::TooLarge => "/too-large",
            Self::Slow => "/slow",
        }
    }

    /// What is wrong, for the client.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::LineEnding => {
                "A line of the head does not end in CR LF, or a CR stands elsewhere."
            }
            Self::Byte => "The head has a control character or a byte beyond ASCII.",
            Self::RequestLine => "The first line is not `method target HTTP/1.1`.",
            Self::FieldLine => "A header line is not a field name, a colon and a value.",
            Self::Folding => "A header line is folded, which RFC 9112 §5.2 forbids.",
            Self::Host => "There must be exactly one Host, a host name with or without a port.",
            Self::ContentLength => "There must be at most one Content-Length, of digits only.",
            Self::TransferEncoding => {
                "There may be one Transfer-Encoding, `chunked`, and only in HTTP/1.1."
            }
            Self::TwoLengths => {
                "Transfer-Encoding and Content-Length together say where the body ends twice."
            }
            Self::Chunk => "The chunked body is framed wrongly.",
            Self::TooLarge => "The head has more than 16 KiB or more than 100 fields.",
            Self::Slow => "The head of the request did not arrive within 10 seconds.",
        }
    }

    /// The bytes that stand for the refused request.
    pub(super) fn request(self) -> Vec<u8> {
        let target = self.code();
        let line = format!("{REFUSED_METHOD} {target} HTTP/1.1\r\n");
        format!("{line}host: refused\r\nconnection: close\r\n\r\n").into_bytes()
    }

    /// The problem document for the target of such a request.
    pub(super) fn problem(target: &str) -> Problem {
        let found = Self::ALL
            .into_iter()
            .find(|violation| violation.code() == target);
        let violation = found.unwrap_or(Self::RequestLine);
        let kind = match violation {
            Self::TooLarge => ProblemKind::HeadersTooLarge,
            Self::Slow => ProblemKind::SlowRequest,
            _ => ProblemKind::MalformedRequest,
        };
        Problem::new(kind, violation.detail())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_back_as_its_own_problem() {
        for violation in Violation::ALL {
            let problem = Violation::problem(violation.code());
            assert_eq!(problem.detail, violation.detail());
            let request = String::from_utf8(violation.request()).unwrap();
            assert!(request.contains(violation.code()) && request.ends_with("\r\n\r\n"));
        }
        assert_eq!(Violation::problem("/x").kind, ProblemKind::MalformedRequest);
    }
}
