//! A proof has one form, bare and as a header field; what nobody signed verifies nothing.

use byzantine_proof::{TlogProof, decode_header, encode_header};

pub(super) fn check(bytes: &[u8]) {
    if let Ok(decoded) = decode_header(bytes) {
        // White space around it is no part of a field's value (RFC 9110 §5.5).
        assert_eq!(encode_header(&decoded).as_bytes(), bytes.trim_ascii());
        text(&decoded);
    }
    if let Ok(given) = std::str::from_utf8(bytes) {
        text(given);
    }
}

fn text(text: &str) {
    if let Ok(proof) = TlogProof::parse(text) {
        assert_eq!(proof.to_text(), text);
    }
}
