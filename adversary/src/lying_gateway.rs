//! A replica that votes correctly and lies to clients: only a client that checks proofs notices.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use byzantine_sidecar::Interposer;
use http::{HeaderValue, Response, StatusCode, header};

use crate::Seed;

/// Alters the status, a header or the body, in turn, of every answer that carries a proof.
pub(crate) struct LyingGateway {
    turn: AtomicU64,
}

impl LyingGateway {
    pub(crate) const fn new(seed: Seed) -> Self {
        Self {
            turn: AtomicU64::new(seed.0),
        }
    }
}

impl Interposer for LyingGateway {
    fn client_response(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        if !promises_proof(&response) {
            return response;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        match turn % 3 {
            0 => alter_status(&mut response),
            1 => alter_header(&mut response),
            _ if response.body().is_empty() => alter_status(&mut response),
            _ => alter_body(&mut response),
        }
        response
    }
}

fn promises_proof(response: &Response<Bytes>) -> bool {
    let headers = response.headers();
    headers.contains_key(byzantine_proof::PROOF_HEADER) || headers.contains_key(header::LINK)
}

/// Success becomes failure, and failure success.
fn alter_status(response: &mut Response<Bytes>) {
    let success = response.status().is_success();
    *response.status_mut() = if success {
        StatusCode::CONFLICT
    } else {
        StatusCode::OK
    };
}

/// Every answer has this field: gateways add it where the app does not say it.
fn alter_header(response: &mut Response<Bytes>) {
    let value = HeaderValue::from_static("public, max-age=31536000");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
}

/// One bit of the byte in the middle; the length stays.
fn alter_body(response: &mut Response<Bytes>) {
    let mut body = response.body().to_vec();
    let middle = body.len() / 2;
    if let Some(byte) = body.get_mut(middle) {
        *byte ^= 1;
    }
    *response.body_mut() = Bytes::from(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certified() -> Response<Bytes> {
        let response = Response::builder()
            .header(byzantine_proof::PROOF_HEADER, "proof")
            .header(header::CACHE_CONTROL, "no-store");
        response
            .body(Bytes::from_static(b"{\"total\":100}"))
            .unwrap()
    }

    #[test]
    fn status_header_and_body_are_altered_in_turn_and_the_proof_stays() {
        let liar = LyingGateway::new(Seed(0));
        let lies = [(); 3].map(|()| liar.client_response(certified()));
        assert_eq!(lies[0].status(), StatusCode::CONFLICT);
        assert_ne!(lies[1].headers()[header::CACHE_CONTROL], "no-store");
        assert_ne!(lies[2].body(), certified().body());
        assert_eq!(lies[2].body().len(), certified().body().len());
        for lie in &lies {
            assert_eq!(lie.headers()[byzantine_proof::PROOF_HEADER], "proof");
        }
    }

    #[test]
    fn what_has_no_proof_is_no_lie_worth_telling() {
        let liar = LyingGateway::new(Seed(0));
        let plain = Response::new(Bytes::from_static(b"busy"));
        assert_eq!(liar.client_response(plain).status(), StatusCode::OK);
    }
}
