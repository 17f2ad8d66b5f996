//! A vector file: what a verifier is given, and what it must say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::vectors::rewrite_if_asked;
use byzantine_proof::{
    Checkpoint, Client, Conditions, Digest, Freshness, IdempotencyKey, MaxAge, OwnRequest, Policy,
    PublicKey, ReceivedResponse, SeenCheckpoint, Verified, VerifyError, verify,
};
use serde_json::{Map, Value, json};

pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// What a verifier is given.
#[derive(Clone, Default)]
pub(crate) struct Vector {
    pub(crate) about: String,
    pub(crate) policy: String,
    pub(crate) request: Option<Request>,
    pub(crate) status: u16,
    pub(crate) headers: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) proof: Option<String>,
    pub(crate) redirected: bool,
    pub(crate) max_age: Option<(u64, u64)>,
    pub(crate) seen: Option<(String, Vec<Digest>)>,
}

/// The verifier's own request.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) key: Option<String>,
    pub(crate) client: Client,
}

pub(crate) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Every vector file, parsed, by name.
pub(crate) fn files() -> BTreeMap<String, Value> {
    rewrite_if_asked();
    let entries = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let texts = entries.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    let parsed = texts.map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (
            name,
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(),
        )
    });
    parsed.collect()
}

impl Vector {
    pub(crate) fn verify(&self) -> Result<Verified, VerifyError> {
        let policy = Policy::parse(&self.policy).unwrap();
        let headers = borrowed(&self.headers);
        let (status, body) = (self.status, self.body.as_slice());
        let received = ReceivedResponse {
            status,
            headers: &headers,
            body,
        };
        let request = self.request.as_ref();
        let own_headers = request
            .map(|own| borrowed(&own.headers))
            .unwrap_or_default();
        let key = request.and_then(|own| own.key.as_deref());
        let key = key.map(|key| IdempotencyKey::parse(key).unwrap());
        let own = request.map(|own| OwnRequest {
            method: &own.method,
            url: &own.url,
            headers: &own_headers,
            body: &own.body,
            key: key.as_ref(),
            client: own.client,
        });
        let seen = self.seen.as_ref();
        let seen = seen.map(|(text, path)| (Checkpoint::parse(text).unwrap(), path));
        let conditions = Conditions {
            request: own,
            proof: self.proof.as_deref(),
            redirected: self.redirected,
            max_age: self
                .max_age
                .map(|(now_ms, max_age_ms)| MaxAge { now_ms, max_age_ms }),
            seen: seen
                .as_ref()
                .map(|(checkpoint, path)| SeenCheckpoint { checkpoint, path }),
        };
        verify(&policy, &received, &conditions)
    }

    pub(crate) fn to_json(&self) -> Value {
        let certified = self.verify();
        let expect = certified
            .as_ref()
            .map_or_else(VerifyError::name, |_| "verified");
        let seen = self.seen.as_ref().map(|(checkpoint, path)| {
            let path: Vec<String> = path.iter().map(|hash| hash.to_base64()).collect();
            json!({"checkpoint": checkpoint, "path": path})
        });
        json!({
            "about": self.about,
            "policy": self.policy,
            "request": self.request.as_ref().map(request_to_json),
            "response": {
                "status": self.status,
                "headers": fields_to_json(&self.headers),
                "body": latin1(&self.body),
            },
            "proof": self.proof,
            "redirected": self.redirected,
            "now_ms": self.max_age.map(|(now, _)| now),
            "max_age_ms": self.max_age.map(|(_, age)| age),
            "seen": seen,
            "expect": expect,
            "certified": certified.ok().map(|verified| verified_to_json(&verified)),
        })
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let response = &value["response"];
        let seen = value["seen"].as_object().map(|seen| {
            let path = seen["path"].as_array().unwrap().iter();
            let path = path.map(|hash| Digest::from_base64(hash.as_str().unwrap()).unwrap());
            (text(&seen["checkpoint"]).unwrap(), path.collect())
        });
        Self {
            about: text(&value["about"]).unwrap(),
            policy: text(&value["policy"]).unwrap(),
            request: value["request"].as_object().map(request_from_json),
            status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
            headers: fields_from_json(&response["headers"]),
            body: bytes(&response["body"]),
            proof: text(&value["proof"]),
            redirected: value["redirected"].as_bool().unwrap(),
            max_age: value["now_ms"].as_u64().zip(value["max_age_ms"].as_u64()),
            seen,
        }
    }
}

fn borrowed(fields: &Fields) -> Vec<(&str, &[u8])> {
    fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect()
}

/// One character U+0000 to U+00FF a byte, so that the files stay readable.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    value
        .as_str()
        .unwrap()
        .chars()
        .map(|c| u8::try_from(c).unwrap())
        .collect()
}

fn fields_to_json(fields: &Fields) -> Value {
    fields
        .iter()
        .map(|(name, value)| json!([name, latin1(value)]))
        .collect()
}

fn fields_from_json(value: &Value) -> Fields {
    let pair = |field: &Value| (field[0].as_str().unwrap().to_owned(), bytes(&field[1]));
    value.as_array().unwrap().iter().map(pair).collect()
}

fn request_to_json(request: &Request) -> Value {
    let client = match request.client {
        Client::Anonymous => "-".to_owned(),
        Client::Signer(key) => key.to_base64(),
    };
    json!({
        "method": request.method,
        "url": request.url,
        "headers": fields_to_json(&request.headers),
        "body": latin1(&request.body),
        "key": request.key,
        "client": client,
    })
}

fn request_from_json(value: &Map<String, Value>) -> Request {
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    let client = match text("client").as_str() {
        "-" => Client::Anonymous,
        key => Client::Signer(PublicKey::from_base64(key).unwrap()),
    };
    Request {
        method: text("method"),
        url: text("url"),
        headers: fields_from_json(&value["headers"]),
        body: bytes(&value["body"]),
        key: value["key"].as_str().map(str::to_owned),
        client,
    }
}

fn verified_to_json(verified: &Verified) -> Value {
    let fields = verified
        .fields
        .iter()
        .map(|field| (field.name.clone(), field.value.clone()));
    let signers: Vec<u8> = verified.signers.iter().map(|id| id.0).collect();
    let freshness = match verified.freshness {
        Freshness::Unbound => "unbound",
        Freshness::GatewayKey => "gateway-key",
        Freshness::OwnKey => "own-key",
    };
    json!({
        "leaf": verified.leaf.to_text(),
        "fields": fields_to_json(&fields.collect()),
        "body": latin1(&verified.body),
        "position": verified.position,
        "checkpoint": verified.checkpoint.to_text(),
        "signers": signers,
        "freshness": freshness,
    })
}
