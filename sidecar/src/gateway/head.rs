//! The strict reading of one HTTP/1.1 head: only what every implementation reads alike.
//!
//! The HTTP parser behind is lenient where RFC 9112 lets it be, and such leniency, combined with
//! another one in front, is what request smuggling is made of.

use super::violation::Violation;

/// The longest head in bytes.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The most header fields.
pub(super) const MAX_FIELDS: usize = 100;

/// No body is longer; what is beyond makes parsers overflow.
const MAX_CONTENT_LENGTH: u64 = 1 << 48;

/// How the body behind a head is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// This many bytes; 0 for none.
    Fixed(u64),
    /// In chunks.
    Chunked,
}

/// Reads a head that ends with its empty line.
pub(super) fn check(head: &[u8]) -> Result<BodyFraming, Violation> {
    let text = std::str::from_utf8(head).map_err(|_| Violation::Byte)?;
    let lines = text.strip_suffix("\r\n\r\n").ok_or(Violation::LineEnding)?;
    let mut lines = lines.split("\r\n");
    let version = request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for (number, line) in lines.enumerate() {
        if number == MAX_FIELDS {
            return Err(Violation::TooLarge);
        }
        let (name, value) = field_line(line)?;
        fields.take(name, value)?;
    }
    fields.framing(version)
}

/// A field line's name and trimmed value.
pub(super) fn field_line(line: &str) -> Result<(&str, &str), Violation> {
    if line.starts_with([' ', '\t']) {
        return Err(Violation::Folding);
    }
    let (name, value) = line.split_once(':').ok_or(Violation::FieldLine)?;
    if !is_token(name) {
        return Err(Violation::FieldLine);
    }
    let visible = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
    if value.bytes().all(visible) {
        Ok((name, value.trim()))
    } else {
        Err(Violation::Byte)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn request_line(line: &str) -> Result<Version, Violation> {
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Violation::RequestLine);
    };
    let target_is_visible = target.bytes().all(|byte| byte.is_ascii_graphic());
    if !target_is_visible {
        return Err(Violation::Byte);
    }
    if !is_token(method) || target.is_empty() || target.contains('#') {
        return Err(Violation::RequestLine);
    }
    match version {
        "HTTP/1.1" => Ok(Version::Http11),
        "HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Violation::RequestLine),
    }
}

/// The fields that decide where a request ends.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn take(&mut self, name: &str, value: &str) -> Result<(), Violation> {
        if name.eq_ignore_ascii_case("host") {
            self.hosts += 1;
            is_host(value).then_some(()).ok_or(Violation::Host)
        } else if name.eq_ignore_ascii_case("content-length") {
            let length = self.length.replace(content_length(value)?);
            length
                .is_none()
                .then_some(())
                .ok_or(Violation::ContentLength)
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            let first = !std::mem::replace(&mut self.chunked, true);
            let known = first && value.eq_ignore_ascii_case("chunked");
            known.then_some(()).ok_or(Violation::TransferEncoding)
        } else {
            Ok(())
        }
    }

    fn framing(&self, version: Version) -> Result<BodyFraming, Violation> {
        let hosts_fit = self.hosts == 1 || (self.hosts == 0 && version == Version::Http10);
        if !hosts_fit {
            return Err(Violation::Host);
        }
        match (self.chunked, self.length) {
            (true, _) if version == Version::Http10 => Err(Violation::TransferEncoding),
            (true, Some(_)) => Err(Violation::TwoLengths),
            (true, None) => Ok(BodyFraming::Chunked),
            (false, length) => Ok(BodyFraming::Fixed(length.unwrap_or(0))),
        }
    }
}

fn content_length(value: &str) -> Result<u64, Violation> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let length = digits.then(|| value.parse().ok()).flatten();
    length
        .filter(|length| *length <= MAX_CONTENT_LENGTH)
        .ok_or(Violation::ContentLength)
}

fn is_host(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(&byte);
    value.bytes().all(allowed)
}

fn is_token(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(lines: &[&str]) -> Result<BodyFraming, Violation> {
        check(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes())
    }

    #[test]
    fn plain_heads_pass() {
        assert_eq!(
            checked(&["GET / HTTP/1.1", "Host: a"]),
            Ok(BodyFraming::Fixed(0))
        );
        assert_eq!(checked(&["GET / HTTP/1.0"]), Ok(BodyFraming::Fixed(0)));
        let post = ["POST /a?b HTTP/1.1", "host:a:1", "Content-Length: \t5 "];
        assert_eq!(checked(&post), Ok(BodyFraming::Fixed(5)));
        let chunked = [
            "POST / HTTP/1.1",
            "host: [::1]:80",
            "transfer-encoding: Chunked",
        ];
        assert_eq!(checked(&chunked), Ok(BodyFraming::Chunked));
    }

    #[test]
    fn request_lines_have_one_form() {
        let bad = [
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET / HTTP/2.0",
            "G@T / HTTP/1.1",
            "GET /#a HTTP/1.1",
            "GET / http/1.1",
            "GET / HTTP/1.10",
            "",
        ];
        for line in bad {
            assert_eq!(
                checked(&[line, "host: a"]),
                Err(Violation::RequestLine),
                "{line}"
            );
        }
    }

    fn refuse(cases: &[(&[&str], Violation)]) {
        for (fields, violation) in cases {
            let lines = [&["POST / HTTP/1.1"][..], fields].concat();
            assert_eq!(checked(&lines), Err(*violation), "{fields:?}");
        }
    }

    #[test]
    fn fields_that_frame_are_unambiguous() {
        let cases = [
            (&["host: a", "host: a"][..], Violation::Host),
            (&[], Violation::Host),
            (&["host: a b"], Violation::Host),
            (&["host: a,b"], Violation::Host),
            (&["host: a", "x : 1"], Violation::FieldLine),
            (&["host: a", "x"], Violation::FieldLine),
            (&["host: a", ": x"], Violation::FieldLine),
            (&["host: a", " x: 1"], Violation::Folding),
            (&["host: a", "x: a\0"], Violation::Byte),
            (&["host: a", "x: ä"], Violation::Byte),
        ];
        refuse(&cases);
    }

    #[test]
    fn lengths_are_unambiguous() {
        let cases = [
            (
                &["host: a", "content-length: +5"][..],
                Violation::ContentLength,
            ),
            (
                &["host: a", "content-length: 5, 5"],
                Violation::ContentLength,
            ),
            (
                &["host: a", "content-length: 0x5"],
                Violation::ContentLength,
            ),
            (&["host: a", "content-length: "], Violation::ContentLength),
            (
                &["host: a", "content-length: 5", "content-length: 5"],
                Violation::ContentLength,
            ),
            (
                &["host: a", "content-length: 99999999999999999999"],
                Violation::ContentLength,
            ),
            (
                &["host: a", "transfer-encoding: gzip, chunked"],
                Violation::TransferEncoding,
            ),
            (
                &["host: a", "transfer-encoding: identity"],
                Violation::TransferEncoding,
            ),
            (
                &["host: a", "transfer-encoding: xchunked"],
                Violation::TransferEncoding,
            ),
            (
                &[
                    "host: a",
                    "transfer-encoding: chunked",
                    "transfer-encoding: chunked",
                ],
                Violation::TransferEncoding,
            ),
            (
                &["host: a", "transfer-encoding: chunked", "content-length: 5"],
                Violation::TwoLengths,
            ),
        ];
        refuse(&cases);
        let old = ["POST / HTTP/1.0", "host: a", "transfer-encoding: chunked"];
        assert_eq!(checked(&old), Err(Violation::TransferEncoding));
        let many = vec!["x: 1"; MAX_FIELDS];
        let lines = [&["GET / HTTP/1.1", "host: a"][..], &many].concat();
        assert_eq!(checked(&lines), Err(Violation::TooLarge));
    }
}
