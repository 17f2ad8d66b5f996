//! A replica whose app is owned by an attacker: each answer is altered before it is agreed on.

use bytes::Bytes;
use byzantine_sidecar::Interposer;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};

/// Alters the body and a header of every answer.
pub(crate) struct WrongAnswer;

impl Interposer for WrongAnswer {
    fn application_response(&self, _: &mut StatusCode, headers: &mut HeaderMap, body: &mut Bytes) {
        let name = HeaderName::from_static("x-altered");
        headers.insert(name, HeaderValue::from_static("yes"));
        *body = alter(body);
    }
}

/// Another number where there is one, so that a balance stays a balance; else another byte.
fn alter(body: &[u8]) -> Bytes {
    let mut altered = body.to_vec();
    match altered.iter_mut().find(|byte| byte.is_ascii_digit()) {
        Some(digit) => *digit = b'0' + (*digit - b'0' + 1) % 10,
        None => altered.push(b'!'),
    }
    Bytes::from(altered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_becomes_another_balance() {
        assert_eq!(alter(b"{\"balance\":90}"), "{\"balance\":00}");
        assert_eq!(alter(b""), "!");
    }

    #[test]
    fn a_header_is_altered_too() {
        let mut headers = HeaderMap::new();
        let (mut status, mut body) = (StatusCode::OK, Bytes::from_static(b"7"));
        WrongAnswer.application_response(&mut status, &mut headers, &mut body);
        assert_eq!((headers.len(), &body[..]), (1, &b"8"[..]));
    }
}
