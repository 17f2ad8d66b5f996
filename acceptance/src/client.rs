//! A client as PROOFS demands it: it believes what verifies, and takes everything else, with the
//! same key, to the next gateway.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use byzantine_proof::{
    Conditions, IdempotencyKey, OwnRequest, Policy, ReceivedResponse, Verified, VerifyError, verify,
};
use http::Request;
use http_body_util::Full;

use crate::exchange::{Http, Received};

/// For one gateway's answer. A gateway may need longer, and the next one then answers for it.
const PATIENCE: Duration = Duration::from_secs(15);

/// For one request at all gateways together.
const DEADLINE: Duration = Duration::from_mins(4);

/// Between two tries, unless a gateway asks for another time.
const PAUSE: Duration = Duration::from_millis(50);

/// A request under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// JSON; no content type is sent with an empty one.
    pub body: Bytes,
    /// The idempotency key.
    pub key: String,
}

/// What a request came to: an answer that verifies.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// What the replicas certified.
    pub verified: Verified,
    /// Which gateway returned it.
    pub gateway: usize,
    /// At how many gateways it was tried.
    pub tries: usize,
}

/// Why a try was not believed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No response, or none in time.
    Unanswered,
    /// A problem document of the gateway's own, by status.
    Problem(u16),
    /// A response that does not verify, by the error's name.
    Unverified(&'static str),
}

/// Talks to all gateways of one service.
pub struct Client {
    http: Http,
    gateways: Vec<String>,
    policy: Policy,
    refusals: Mutex<BTreeMap<(usize, Refusal), usize>>,
}

impl Call {
    /// A GET.
    pub fn get(target: impl Into<String>, key: impl Into<String>) -> Self {
        Self::new("GET", target.into(), Bytes::new(), key.into())
    }

    /// A POST of JSON.
    pub fn post(
        target: impl Into<String>,
        body: &serde_json::Value,
        key: impl Into<String>,
    ) -> Self {
        let body = Bytes::from(body.to_string());
        Self::new("POST", target.into(), body, key.into())
    }

    const fn new(method: &'static str, target: String, body: Bytes, key: String) -> Self {
        Self {
            method,
            target,
            body,
            key,
        }
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("idempotency-key", format!("\"{}\"", self.key))];
        if !self.body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        headers
    }
}

impl Acknowledged {
    /// Where its leaf is: equal for equal requests, different for different ones.
    pub const fn leaf(&self) -> (u64, u32) {
        (self.verified.leaf.sequence, self.verified.leaf.index)
    }

    /// The certified status.
    pub const fn status(&self) -> u16 {
        self.verified.leaf.status
    }

    /// The certified body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.verified.body).expect("the certified body is JSON")
    }
}

impl Client {
    /// A client of the gateways at `gateways`, such as `http://127.0.0.1:15080`.
    pub fn new(gateways: Vec<String>, policy: Policy) -> Self {
        Self {
            http: Http::default(),
            gateways,
            policy,
            refusals: Mutex::default(),
        }
    }

    /// Sends a request to the gateways in turn, `first` before all, until an answer verifies.
    ///
    /// # Panics
    /// When none does in time.
    pub async fn call(&self, call: &Call, first: usize) -> Acknowledged {
        let started = Instant::now();
        for tries in 1.. {
            let gateway = (first + tries - 1) % self.gateways.len();
            let refusal = match self.once(call, gateway).await {
                Ok(verified) => {
                    return Acknowledged {
                        verified,
                        gateway,
                        tries,
                    };
                }
                Err(refusal) => self.note(gateway, refusal),
            };
            let in_time = started.elapsed() < DEADLINE;
            assert!(
                in_time,
                "{call:?}: no answer; the last of {tries} tries: {refusal:?}"
            );
            tokio::time::sleep(PAUSE).await;
        }
        unreachable!("the loop ends with an answer or the deadline")
    }

    /// Sends a request to one gateway, once.
    ///
    /// # Errors
    /// Why the answer is not to be believed.
    pub async fn once(&self, call: &Call, gateway: usize) -> Result<Verified, Refusal> {
        let received = self
            .send(call, gateway)
            .await
            .map_err(|_| Refusal::Unanswered)?;
        match self.verify(call, gateway, &received) {
            Ok(verified) => Ok(verified),
            Err(VerifyError::NoProof { .. }) if is_problem(&received) => {
                Err(Refusal::Problem(received.status))
            }
            Err(error) => Err(Refusal::Unverified(error.name())),
        }
    }

    /// The response of one gateway, believed or not.
    ///
    /// # Errors
    /// Why there is none.
    ///
    /// # Panics
    /// When the call is no valid request.
    pub async fn send(&self, call: &Call, gateway: usize) -> Result<Received, String> {
        let url = self.url(call, gateway);
        let mut request = Request::builder().method(call.method).uri(url);
        for (name, value) in call.headers() {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(call.body.clone()));
        self.http
            .send(request.expect("the test's request is valid"), PATIENCE)
            .await
    }

    /// Checks the proof of a response to `call`.
    ///
    /// # Errors
    /// That of the verification.
    ///
    /// # Panics
    /// When the call's key is malformed.
    pub fn verify(
        &self,
        call: &Call,
        gateway: usize,
        received: &Received,
    ) -> Result<Verified, VerifyError> {
        let (sent, url) = (call.headers(), self.url(call, gateway));
        let key = IdempotencyKey::new(&call.key).expect("the test's key is valid");
        let own: Vec<(&str, &[u8])> = sent
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let request = OwnRequest {
            method: call.method,
            url: &url,
            headers: &own,
            body: &call.body,
            key: Some(&key),
            client: byzantine_proof::Client::Anonymous,
        };
        let fields = received.headers.iter();
        let headers: Vec<(&str, &[u8])> = fields
            .map(|(name, value)| (name.as_str(), &value[..]))
            .collect();
        let response = ReceivedResponse {
            status: received.status,
            headers: &headers,
            body: &received.body,
        };
        let conditions = Conditions {
            request: Some(request),
            ..Conditions::default()
        };
        verify(&self.policy, &response, &conditions)
    }

    /// How often each gateway was not believed, and why.
    pub fn refusals(&self) -> BTreeMap<(usize, Refusal), usize> {
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The gateways that returned something that does not verify.
    pub fn liars(&self) -> Vec<usize> {
        let refusals = self.refusals();
        let unverified = refusals
            .keys()
            .filter(|(_, refusal)| matches!(refusal, Refusal::Unverified(_)));
        let mut liars: Vec<usize> = unverified.map(|(gateway, _)| *gateway).collect();
        liars.dedup();
        liars
    }

    /// How many gateways there are.
    pub const fn gateways(&self) -> usize {
        self.gateways.len()
    }

    /// The policy that answers are checked against.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    fn url(&self, call: &Call, gateway: usize) -> String {
        format!("{}{}", self.gateways[gateway], call.target)
    }

    fn note(&self, gateway: usize, refusal: Refusal) -> Refusal {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *refusals.entry((gateway, refusal.clone())).or_default() += 1;
        refusal
    }
}

fn is_problem(received: &Received) -> bool {
    received.status >= 400 && received.header("content-type") == Some("application/problem+json")
}
