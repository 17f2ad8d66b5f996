//! The head of a request: what passes the gateway's strict reading, the parser behind it reads,
//! to the same end.

use byzantine_sidecar::gateway::strict_head;

/// As many as a gateway lets through.
const FIELDS: usize = 100;

pub(super) fn check(bytes: &[u8]) {
    let Some(length) = strict_head(bytes) else {
        return;
    };
    let head = &bytes[..length];
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let read = parsed.parse(head);
    assert_eq!(read, Ok(httparse::Status::Complete(length)));
    let lines = head.split(|byte| *byte == b'\n').count();
    let around = if head.starts_with(b"\r\n") { 4 } else { 3 };
    assert_eq!(parsed.headers.len() + around, lines, "one field a line");
}
