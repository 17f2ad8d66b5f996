//! Undoing the content codings that an app applies although it was asked for `identity`.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::StatusCode;

use super::unusable;
use crate::problem::Problem;

/// A content coding that can be undone (RFC 9110 §8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// None.
    Identity,
    /// `gzip` or `x-gzip`.
    Gzip,
    /// `deflate`: the zlib format, or the bare stream that some servers send.
    Deflate,
}

impl Coding {
    /// The coding that a list of codings names, if it is one that can be undone.
    pub(crate) fn of(list: &str) -> Option<Self> {
        let applied =
            |coding: &&str| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity");
        let mut codings = list.split(',').map(str::trim).filter(applied);
        let coding = codings.next().map(str::to_ascii_lowercase);
        match (coding.as_deref(), codings.next()) {
            (None, _) => Some(Self::Identity),
            (Some("gzip" | "x-gzip"), None) => Some(Self::Gzip),
            (Some("deflate"), None) => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// The decoded body, of at most `limit` bytes. No body at all stays one.
pub(super) fn decode(
    coding: Coding,
    status: StatusCode,
    body: &Bytes,
    limit: usize,
) -> Result<Bytes, Problem> {
    if status == StatusCode::PARTIAL_CONTENT {
        return Err(unusable(
            "It is a part (206) of compressed content, which cannot be decoded.",
        ));
    }
    if body.is_empty() {
        return Ok(Bytes::new());
    }
    let decoded = match coding {
        Coding::Identity => return Ok(body.clone()),
        Coding::Gzip => read(MultiGzDecoder::new(&body[..]), limit),
        Coding::Deflate if is_zlib(body) => read(ZlibDecoder::new(&body[..]), limit),
        Coding::Deflate => read(DeflateDecoder::new(&body[..]), limit),
    };
    match decoded {
        Some(content) if content.len() <= limit => Ok(Bytes::from(content)),
        Some(_) => Err(unusable(&format!(
            "Its body decodes to more than {limit} bytes."
        ))),
        None => Err(unusable("Its body is no valid gzip or deflate data.")),
    }
}

/// Whether the two bytes of a zlib header stand at the start (RFC 1950 §2.2).
fn is_zlib(body: &[u8]) -> bool {
    let header = body
        .first_chunk::<2>()
        .map(|bytes| u16::from_be_bytes(*bytes));
    header.is_some_and(|header| header >> 8 & 0x0f == 8 && header % 31 == 0)
}

fn read(decoder: impl Read, limit: usize) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut content)
        .ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_named() {
        let cases = [
            ("", Some(Coding::Identity)),
            ("identity", Some(Coding::Identity)),
            ("GZip", Some(Coding::Gzip)),
            ("identity, x-gzip", Some(Coding::Gzip)),
            ("deflate", Some(Coding::Deflate)),
            ("br", None),
            ("gzip, deflate", None),
            ("zstd", None),
        ];
        for (list, coding) in cases {
            assert_eq!(Coding::of(list), coding, "{list}");
        }
    }

    #[test]
    fn cut_off_data_is_refused() {
        let bad = Bytes::from_static(b"\x1f\x8b\x08\x00");
        assert!(decode(Coding::Gzip, StatusCode::OK, &bad, 10).is_err());
        assert!(decode(Coding::Gzip, StatusCode::OK, &Bytes::new(), 10).is_ok());
    }
}
