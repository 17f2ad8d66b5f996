//! From the app's response to the canonical answer that replicas compare and certify (PROOFS §2).
//!
//! Every function here is deterministic: the same response gives the same bytes on every
//! replica. What cannot be certified becomes a certified problem that says why.

mod coding;
mod fields;
mod verdict;

use std::collections::BTreeSet;

use bytes::Bytes;
use byzantine_consensus::{Answer, Limit, Request};
use byzantine_proof::{
    Client, Digest, FieldBlock, IdempotencyKey, LeafKind, Origin, RequestBase, RequestFields,
    ResponseLeaf, key_hash,
};
use http::{HeaderMap, StatusCode, header};

use crate::canonical::RequestRules;
use crate::problem::{PROBLEM_MEDIA_TYPE, Problem, ProblemKind};

pub use byzantine_consensus::Place;
pub(crate) use coding::Coding;
use fields::ResponseFields;
pub(crate) use fields::state as stated_digest;

/// What the app sent back.
#[derive(Debug, Clone)]
pub struct AppResponse {
    /// The final status.
    pub status: StatusCode,
    /// The header fields as received.
    pub headers: HeaderMap,
    /// What was received of the body.
    pub body: AppBody,
}

/// The body of the app's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppBody {
    /// All of it.
    Whole(Bytes),
    /// It exceeds the service's limit.
    TooLarge,
}

/// Builds answers; equal on all replicas of a service.
#[derive(Debug, Clone)]
pub struct Responder {
    origin: Origin,
    rules: RequestRules,
    dropped: BTreeSet<String>,
}

/// An answer before it has a leaf.
struct Draft {
    kind: LeafKind,
    status: StatusCode,
    fields: FieldBlock,
    content: Bytes,
    state: Option<Digest>,
}

impl Responder {
    /// `dropped`: `spec.http.dropResponseHeaders`.
    pub fn new<'a>(
        origin: Origin,
        rules: RequestRules,
        dropped: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let dropped = dropped.into_iter().map(str::to_ascii_lowercase).collect();
        Self {
            origin,
            rules,
            dropped,
        }
    }

    /// Whether a correct gateway could have had this request ordered; if not, the certified
    /// answer that takes the place of an app call.
    ///
    /// # Errors
    /// That answer.
    pub fn admit(&self, place: Place, request: &Request) -> Result<(), Box<Answer>> {
        let Err(problem) = self.rules.check(request) else {
            return Ok(());
        };
        Err(Box::new(self.problem(
            place,
            request,
            LeafKind::App,
            &problem,
        )))
    }

    /// The answer that the app's response makes.
    pub fn answer(&self, place: Place, request: &Request, response: AppResponse) -> Answer {
        let (base, key) = self.base(request);
        match self.draft(request, &base.fields, response) {
            Ok(draft) => self.seal(place, &base, key, draft),
            Err(problem) => self.problem(place, request, LeafKind::App, &problem),
        }
    }

    /// The answer when what the app sent back is no HTTP response.
    pub fn unreadable(&self, place: Place, request: &Request) -> Answer {
        let problem = unusable("It is not valid HTTP, or its header section exceeds the limits.");
        self.problem(place, request, LeafKind::App, &problem)
    }

    /// The answer to a request whose key belongs to another request.
    pub fn reused(&self, place: Place, request: &Request) -> Answer {
        let detail = "An earlier request with this key differs from this one in method, target, \
                      header fields or body, so it was not executed.";
        let problem = Problem::new(ProblemKind::KeyReused, detail);
        self.problem(place, request, LeafKind::Reused, &problem)
    }

    /// The answer to a request for whose key its gateway has no room left.
    pub fn limited(&self, place: Place, request: &Request, limit: Limit) -> Answer {
        let Limit { gateway, keys, .. } = limit;
        let detail = format!(
            "All {keys} idempotency keys that requests through replica {gateway} may have \
             remembered at once are in use, so this request was not executed."
        );
        // A year is longer than any key is remembered.
        let seconds = u32::try_from(limit.seconds).unwrap_or(365 * 24 * 3600);
        let problem = Problem::new(ProblemKind::KeyLimit, detail).retry_after(seconds);
        self.problem(place, request, LeafKind::Limit, &problem)
    }

    fn problem(&self, place: Place, request: &Request, kind: LeafKind, why: &Problem) -> Answer {
        let (base, key) = self.base(request);
        let seconds = why.retry_after.map(|seconds| seconds.to_string());
        let seconds = seconds.as_ref().map(String::as_bytes);
        let fixed = [
            (header::CACHE_CONTROL.as_str(), &b"no-store"[..]),
            (header::CONTENT_TYPE.as_str(), PROBLEM_MEDIA_TYPE.as_bytes()),
        ];
        let wait = seconds.map(|seconds| (header::RETRY_AFTER.as_str(), seconds));
        let fields = || fixed.into_iter().chain(wait);
        let block = FieldBlock::build(base.fields.clone(), fields())
            .or_else(|_| FieldBlock::build(RequestFields::default(), fields()));
        let head = request.method == "HEAD";
        let draft = Draft {
            kind,
            status: why.kind.status(),
            fields: block.expect("three short fields and no request fields make a block"),
            content: if head { Bytes::new() } else { why.to_json() },
            state: None,
        };
        self.seal(place, &base, key, draft)
    }

    /// The signature base and key hash. A request without a base (only a faulty gateway has one
    /// ordered) is named by its bytes instead.
    fn base(&self, request: &Request) -> (RequestBase, Digest) {
        let base = self.rules.check(request).unwrap_or_else(|_| RequestBase {
            text: String::new(),
            digest: Digest::of(&request.encode()),
            fields: RequestFields::default(),
        });
        let key = IdempotencyKey::new(&request.key).map_or_else(
            |_| Digest::of(request.key.as_bytes()),
            |key| key_hash(&Client::Anonymous, &key),
        );
        (base, key)
    }

    fn draft(
        &self,
        request: &Request,
        request_fields: &RequestFields,
        response: AppResponse,
    ) -> Result<Draft, Problem> {
        let status = response.status;
        if !(200..=999).contains(&status.as_u16()) {
            return Err(unusable(&format!("It has the status {}.", status.as_u16())));
        }
        let bodiless = request.method == "HEAD" || matches!(status.as_u16(), 204 | 304);
        let mut fields = ResponseFields::select(&response.headers, &self.dropped);
        let body = whole(response.body, self.rules.max_body_bytes())?;
        let content = match fields.coding()? {
            Coding::Identity if bodiless => Bytes::new(),
            Coding::Identity => body,
            coded => {
                fields.forget_coding();
                let body = if bodiless { Bytes::new() } else { body };
                coding::decode(coded, status, &body, self.rules.max_body_bytes())?
            }
        };
        let state = fields.take_state();
        fields.forbid_caching_by_default();
        let fields = fields.block(request_fields.clone())?;
        Ok(Draft {
            kind: LeafKind::App,
            status,
            fields,
            content,
            state,
        })
    }

    fn seal(&self, place: Place, base: &RequestBase, key: Digest, draft: Draft) -> Answer {
        let leaf = ResponseLeaf {
            origin: self.origin.clone(),
            sequence: place.sequence.0,
            index: place.index,
            time_ms: place.time.0,
            kind: draft.kind,
            key,
            request: base.digest,
            status: draft.status.as_u16(),
            fields: draft.fields.digest(),
            content_length: draft.content.len() as u64,
            content: Digest::of(&draft.content),
            state: draft.state,
        };
        Answer {
            leaf: Bytes::from(leaf.to_text()),
            request_fields: base.fields.names().map(str::to_owned).collect(),
            fields: Bytes::from(draft.fields.to_text()),
            content: draft.content,
        }
    }
}

fn whole(body: AppBody, limit: usize) -> Result<Bytes, Problem> {
    match body {
        AppBody::Whole(body) if body.len() <= limit => Ok(body),
        _ => Err(unusable(&format!(
            "Its body exceeds spec.http.maxBodyBytes, {limit} bytes."
        ))),
    }
}

/// A certified 502 saying why the app's response is none.
fn unusable(why: &str) -> Problem {
    let detail =
        format!("The application executed the request, but its response is unusable. {why}");
    Problem::new(ProblemKind::UnusableAnswer, detail)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use byzantine_consensus::{KeySource, Sequence, UnixMillis};
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    const PLACE: Place = Place {
        sequence: Sequence(7),
        index: 1,
        time: UnixMillis(1000),
    };

    fn responder() -> Responder {
        let covered = RequestFields::new(["x-tenant"]).unwrap();
        let rules = RequestRules::new([], covered, 1000);
        Responder::new(Origin::parse("a.b.c/0-00").unwrap(), rules, ["X-Pod"])
    }

    fn request(method: &str) -> Request {
        Request {
            method: method.into(),
            target: "/a".into(),
            headers: vec![("content-type".into(), b"text/plain".to_vec())],
            body: Bytes::new(),
            key: "k".into(),
            key_source: KeySource::Client,
        }
    }

    fn response(
        status: u16,
        headers: &[(&'static str, &'static [u8])],
        body: &[u8],
    ) -> AppResponse {
        let field = |(name, value): &(&'static str, &'static [u8])| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_bytes(value).unwrap(),
            )
        };
        AppResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.iter().map(field).collect(),
            body: AppBody::Whole(Bytes::copy_from_slice(body)),
        }
    }

    fn answer(method: &str, response: AppResponse) -> (ResponseLeaf, FieldBlock, Bytes) {
        let answer = responder().answer(PLACE, &request(method), response);
        let leaf = ResponseLeaf::parse(std::str::from_utf8(&answer.leaf).unwrap()).unwrap();
        let block = FieldBlock::parse(std::str::from_utf8(&answer.fields).unwrap()).unwrap();
        assert_eq!(leaf.fields, block.digest());
        assert_eq!(leaf.content, Digest::of(&answer.content));
        assert_eq!(answer.request_fields, ["content-type"]);
        (leaf, block, answer.content)
    }

    #[test]
    fn what_differs_between_replicas_is_dropped() {
        let headers: [(&str, &[u8]); 12] = [
            ("date", b"now"),
            ("server", b"x"),
            ("content-length", b"2"),
            ("x-pod", b"pod-1"),
            ("access-control-allow-origin", b"*"),
            ("byzantine-proof", b"x"),
            ("traceparent", b"x"),
            ("connection", b"close, x-hop"),
            ("x-hop", b"1"),
            ("set-cookie", b"b=1"),
            ("set-cookie", b"a=1"),
            ("x-city", b"Z\xc3\xbcrich"),
        ];
        let (leaf, block, content) = answer("GET", response(200, &headers, b"hi"));
        let expected = "request-fields content-type\nbyzantine-fields/v1\n\
            cache-control: no-store\nset-cookie: b=1\nset-cookie: a=1\nx-city;bs: WsO8cmljaA==\n";
        assert_eq!(block.to_text(), expected);
        assert_eq!(
            (leaf.status, leaf.kind, &content[..]),
            (200, LeafKind::App, &b"hi"[..])
        );
        assert_eq!((leaf.sequence, leaf.index, leaf.time_ms), (7, 1, 1000));
    }

    #[test]
    fn the_apps_cache_control_stays() {
        let (_, block, _) = answer(
            "GET",
            response(200, &[("cache-control", b"max-age=1")], b""),
        );
        assert_eq!(
            block.values("cache-control").collect::<Vec<_>>(),
            [b"max-age=1"]
        );
    }

    #[test]
    fn bodiless_answers_have_no_content() {
        for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
            let (leaf, _, content) = answer(method, response(status, &[], b"ignored"));
            assert_eq!((leaf.status, leaf.content_length), (status, 0));
            assert!(content.is_empty());
        }
        let (leaf, _, _) = answer(
            "GET",
            response(206, &[("content-range", b"bytes 0-1/9")], b"ab"),
        );
        assert_eq!((leaf.status, leaf.content_length), (206, 2));
    }

    fn compressed(write: impl FnOnce() -> std::io::Result<Vec<u8>>) -> Vec<u8> {
        write().unwrap()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        compressed(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text)?;
            encoder.finish()
        })
    }

    #[test]
    fn gzip_and_deflate_are_decoded() {
        let text = b"hello hello hello";
        let zlib = compressed(|| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text)?;
            encoder.finish()
        });
        let raw = compressed(|| {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text)?;
            encoder.finish()
        });
        let coded: [(&[u8], Vec<u8>); 4] = [
            (b"gzip", gzip(text)),
            (b"X-GZIP", gzip(text)),
            (b"deflate", zlib),
            (b"deflate", raw),
        ];
        for (name, body) in coded {
            let name = name.to_vec();
            let mut response = response(200, &[("etag", b"\"v1\"")], &body);
            let coding = HeaderValue::from_bytes(&name).unwrap();
            response.headers.insert(header::CONTENT_ENCODING, coding);
            let (leaf, block, content) = answer("GET", response);
            assert_eq!((leaf.status, &content[..]), (200, &text[..]));
            assert_eq!(block.values("etag").collect::<Vec<_>>(), [b"W/\"v1\""]);
            assert_eq!(block.values("content-encoding").count(), 0);
        }
    }

    fn refused(response: AppResponse) -> String {
        let (leaf, block, content) = answer("GET", response);
        assert_eq!(leaf.status, 502);
        assert_eq!(
            block.values("content-type").collect::<Vec<_>>(),
            [PROBLEM_MEDIA_TYPE.as_bytes()]
        );
        let json: serde_json::Value = serde_json::from_slice(&content).unwrap();
        json["detail"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_cannot_be_certified_is_a_certified_502() {
        let coding = |name| response(200, &[("content-encoding", name)], b"x");
        assert!(refused(coding(b"br")).contains("coding"));
        assert!(refused(coding(b"gzip, gzip")).contains("coding"));
        assert!(refused(coding(b"gzip")).contains("gzip"));
        let bomb = gzip(&vec![0; 5000]);
        assert!(refused(response(200, &[("content-encoding", b"gzip")], &bomb)).contains("1000"));
        let part = response(206, &[("content-encoding", b"gzip")], &gzip(b"x"));
        assert!(refused(part).contains("206"));
        assert!(refused(response(200, &[], &[0; 1001])).contains("maxBodyBytes"));
        let mut large = response(200, &[], b"");
        large.body = AppBody::TooLarge;
        assert!(refused(large).contains("maxBodyBytes"));
        let mut long = response(200, &[], b"");
        long.headers
            .insert("x-long", HeaderValue::from_bytes(&[b'x'; 4096]).unwrap());
        assert!(refused(long).contains("4096"));
        assert!(refused(response(101, &[], b"")).contains("101"));
    }

    #[test]
    fn the_state_goes_into_the_leaf() {
        let value = format!("sha-256=:{}:", Digest::of(b"s").to_base64());
        let mut good = response(200, &[], b"");
        good.headers
            .insert("byzantine-state", HeaderValue::from_str(&value).unwrap());
        assert_eq!(answer("GET", good).0.state, Some(Digest::of(b"s")));
        let bad = response(200, &[("byzantine-state", b"sha-256=1")], b"");
        assert_eq!(answer("GET", bad).0.state, None);
    }

    #[test]
    fn a_limit_says_whose_and_until_when() {
        let limit = Limit {
            gateway: byzantine_proof::ReplicaId(2),
            keys: 3,
            seconds: 61,
        };
        let answer = responder().limited(PLACE, &request("POST"), limit);
        let leaf = ResponseLeaf::parse(std::str::from_utf8(&answer.leaf).unwrap()).unwrap();
        assert_eq!((leaf.kind, leaf.status), (LeafKind::Limit, 429));
        let fields = std::str::from_utf8(&answer.fields).unwrap();
        assert!(fields.contains("\nretry-after: 61\n"), "{fields}");
        let content = String::from_utf8(answer.content.to_vec()).unwrap();
        for part in [
            "All 3 idempotency keys",
            "replica 2",
            "not executed",
            "nextStep",
        ] {
            assert!(content.contains(part), "{part}: {content}");
        }
        assert_eq!(leaf.fields, Digest::of(fields.as_bytes()));
    }

    #[test]
    fn a_reused_key_has_one_answer() {
        let answer = responder().reused(PLACE, &request("POST"));
        let leaf = ResponseLeaf::parse(std::str::from_utf8(&answer.leaf).unwrap()).unwrap();
        assert_eq!((leaf.kind, leaf.status), (LeafKind::Reused, 422));
        assert_eq!(answer, responder().reused(PLACE, &request("POST")));
        assert!(
            responder()
                .reused(PLACE, &request("HEAD"))
                .content
                .is_empty()
        );
    }

    #[test]
    fn a_faulty_gateways_request_is_answered_without_the_app() {
        let mut odd = request("GET");
        assert!(responder().admit(PLACE, &odd).is_ok());
        odd.headers = vec![("byzantine-ordinal".into(), b"1".to_vec())];
        let answer = responder().admit(PLACE, &odd).unwrap_err();
        let leaf = ResponseLeaf::parse(std::str::from_utf8(&answer.leaf).unwrap()).unwrap();
        assert_eq!(leaf.status, 400);
    }
}
