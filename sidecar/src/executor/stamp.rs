//! The HTTP request that the app receives for an ordered one.

use bytes::Bytes;
use byzantine_consensus::{Execution, Request, UnixMillis};
use byzantine_proof::{Digest, IdempotencyKey};
use http::{HeaderName, HeaderValue, header};
use http_body_util::Full;

use crate::idempotency::KEY_HEADER;

/// What replicas tell the app besides the request; equal on all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    time: UnixMillis,
    seed: Digest,
    ordinal: u64,
}

impl Stamp {
    /// For the item at `index` of a batch, which is call number `ordinal`.
    pub(super) fn new(execution: &Execution, index: u32, ordinal: u64) -> Self {
        let place = index.to_be_bytes();
        let seed = Digest::tagged("byzantine-seed/v1", &[execution.batch.as_bytes(), &place]);
        Self {
            time: execution.time,
            seed,
            ordinal,
        }
    }

    /// The request, with framing, `Host` and stamps of our own. `None` when it is no HTTP request,
    /// which canonical ones always are.
    pub(super) fn request(
        &self,
        host: &str,
        request: &Request,
    ) -> Option<http::Request<Full<Bytes>>> {
        let key = IdempotencyKey::new(&request.key).ok()?;
        let mut builder = http::Request::builder()
            .method(request.method.as_str())
            .uri(request.target.as_str())
            .header(header::HOST, host)
            .header(header::ACCEPT_ENCODING, "identity")
            .header(KEY_HEADER, key.to_string())
            .header("byzantine-time", self.time.0)
            .header("byzantine-seed", self.seed.to_string())
            .header("byzantine-ordinal", self.ordinal);
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            builder = builder.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        builder.body(Full::new(request.body.clone())).ok()
    }
}

#[cfg(test)]
mod tests {
    use byzantine_consensus::{KeySource, Sequence};

    use super::*;

    #[test]
    fn the_app_is_told_time_seed_and_ordinal() {
        let execution = Execution {
            sequence: Sequence(3),
            time: UnixMillis(1234),
            batch: Digest::of(b"batch"),
            items: Vec::new(),
            recorded: None,
        };
        let request = Request {
            method: "POST".into(),
            target: "/a?b".into(),
            headers: vec![("x-a".into(), b"1".to_vec())],
            body: Bytes::from_static(b"body"),
            key: "a\"b".into(),
            key_source: KeySource::Client,
        };
        let stamp = Stamp::new(&execution, 1, 9);
        let sent = stamp.request("wallet.bank", &request).unwrap();
        let headers = sent.headers();
        assert_eq!(
            (sent.method().as_str(), sent.uri().to_string().as_str()),
            ("POST", "/a?b")
        );
        assert!(headers["host"] == "wallet.bank" && headers["x-a"] == "1");
        assert_eq!(headers["idempotency-key"], "\"a\\\"b\"");
        assert!(headers["byzantine-time"] == "1234" && headers["byzantine-ordinal"] == "9");
        assert_eq!(headers["byzantine-seed"].len(), 64);
        assert_ne!(stamp.seed, Stamp::new(&execution, 2, 9).seed);
    }
}
