//! Undoing a content coding that a proxy added on the way: gzip and deflate.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};

/// Codings applied on top of each other that are undone.
const MAX_CODINGS: usize = 3;

/// Undoes the codings listed in `content_encoding`, in the order they were applied. `None` when
/// there is none, one is unknown, the bytes are malformed, or more than `limit` bytes come out.
pub(crate) fn decode(content_encoding: &str, body: &[u8], limit: u64) -> Option<Vec<u8>> {
    let codings: Vec<&str> = content_encoding.split(',').map(str::trim).collect();
    if codings.len() > MAX_CODINGS {
        return None;
    }
    let mut decoded = body.to_vec();
    for coding in codings.iter().rev() {
        decoded = decode_one(coding, &decoded, limit)?;
    }
    Some(decoded)
}

fn decode_one(coding: &str, body: &[u8], limit: u64) -> Option<Vec<u8>> {
    match coding.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => read_up_to(GzDecoder::new(body), limit),
        "deflate" => read_up_to(ZlibDecoder::new(body), limit),
        "identity" => Some(body.to_vec()),
        _ => None,
    }
}

fn read_up_to(decoder: impl Read, limit: u64) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut plain)
        .ok()?;
    (plain.len() as u64 <= limit).then_some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn known_codings_are_undone() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"hello").unwrap();
        let deflated = zlib.finish().unwrap();
        assert_eq!(
            decode("deflate", &deflated, 5).as_deref(),
            Some(&b"hello"[..])
        );
        assert_eq!(
            decode("deflate, GZIP", &gzip(&deflated), 50).as_deref(),
            Some(&b"hello"[..])
        );
        assert_eq!(decode("br", b"x", 5), None);
        assert_eq!(decode("gzip, gzip, gzip, gzip", b"x", 5), None);
        assert_eq!(decode("gzip", b"not gzip", 50), None);
    }

    #[test]
    fn bombs_do_not_explode() {
        let bomb = gzip(&vec![0; 1 << 20]);
        assert_eq!(decode("gzip", &bomb, 1000), None);
        assert_eq!(
            decode("gzip", &bomb, 1 << 20).map(|bytes| bytes.len()),
            Some(1 << 20)
        );
    }
}
