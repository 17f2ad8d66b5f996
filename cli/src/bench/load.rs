//! Sending requests and measuring how long answers take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Uri};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::sample::Sample;
use crate::call::fresh_key;
use crate::doctor::Exchange;
use crate::error::CliError;
use crate::http_client::{HttpClient, Outgoing, parse_url};
use crate::request::Fields;

const PATIENCE: Duration = Duration::from_secs(30);

/// Where requests go.
#[derive(Clone)]
pub(super) struct Target {
    client: HttpClient,
    addresses: Arc<Vec<String>>,
    /// Makes requests distinct; an app alone takes it for `Byzantine-Ordinal`.
    number: Arc<AtomicU64>,
    stamps: bool,
    /// An app alone gets one request at a time, as ordinals want it; so does one behind a sidecar.
    turn: Arc<Mutex<()>>,
}

impl Target {
    /// The gateways of a service.
    pub(super) fn service(addresses: Vec<String>) -> Result<Self, CliError> {
        Self::new(addresses, false)
    }

    /// An app alone, which gets the stamps that a sidecar would give.
    pub(super) fn bare(port: u16) -> Result<Self, CliError> {
        Self::new(vec![format!("http://127.0.0.1:{port}")], true)
    }

    fn new(addresses: Vec<String>, stamps: bool) -> Result<Self, CliError> {
        for address in &addresses {
            parse_url(address)?;
        }
        let number = Arc::new(AtomicU64::new(if stamps { 0 } else { run_number() }));
        Ok(Self {
            client: HttpClient::new(),
            addresses: Arc::new(addresses),
            number,
            stamps,
            turn: Arc::default(),
        })
    }

    /// Sends a request by the gateway of this place and waits for the whole answer.
    ///
    /// # Errors
    /// [`CliError::NoAnswer`] when there is none, or none with a proof.
    pub(super) async fn send(
        &self,
        request: &Exchange,
        place: usize,
    ) -> Result<Duration, CliError> {
        let start = Instant::now();
        let _turn = if self.stamps {
            Some(self.turn.lock().await)
        } else {
            None
        };
        let outgoing = self.outgoing(request, place)?;
        let answer = self.client.send(&outgoing, PATIENCE).await;
        let took = start.elapsed();
        let failed = |why: String| CliError::NoAnswer {
            attempts: format!("  {}: {why}", outgoing.url),
            next: "start the service with `byz run` and look at `byz status`",
            refused: false,
        };
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        let proved = answer.header("byzantine-proof").is_some() || answer.header("link").is_some();
        if self.stamps || proved {
            Ok(took)
        } else {
            let body = String::from_utf8_lossy(&answer.body);
            Err(failed(format!("{} without a proof: {body}", answer.status)))
        }
    }

    fn outgoing(&self, request: &Exchange, place: usize) -> Result<Outgoing, CliError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let filled = |text: &str| text.replace("{i}", &number.to_string());
        let address = &self.addresses[place % self.addresses.len()];
        let url: Uri = parse_url(&format!("{address}{}", filled(&request.target)))?;
        let method =
            Method::from_bytes(request.method.as_bytes()).map_err(|_| CliError::Method {
                method: request.method.clone(),
            })?;
        let body = Bytes::from(filled(&request.body));
        Ok(Outgoing {
            method,
            url,
            headers: self.headers(number, !body.is_empty()),
            body,
        })
    }

    fn headers(&self, number: u64, body: bool) -> Fields {
        let mut headers = vec![(
            "idempotency-key".to_owned(),
            fresh_key().to_string().into_bytes(),
        )];
        if body {
            headers.push(("content-type".to_owned(), b"application/json".to_vec()));
        }
        if self.stamps {
            let text = |text: String| text.into_bytes();
            headers.push(("byzantine-ordinal".to_owned(), text(number.to_string())));
            headers.push((
                "byzantine-time".to_owned(),
                text(crate::instant::now_ms().to_string()),
            ));
            headers.push(("byzantine-seed".to_owned(), text("0".repeat(64))));
        }
        headers
    }
}

/// So that two runs of the measurement do not send the same `{i}` to one service.
fn run_number() -> u64 {
    crate::instant::now_ms() * 1000
}

/// What many clients got.
pub(super) struct Throughput {
    pub(super) latency: Sample,
    pub(super) failed: u64,
    took: Duration,
}

impl Throughput {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn per_second(&self) -> f64 {
        self.latency.count() as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        json!({
            "requestsPerSecond": self.per_second(),
            "failed": self.failed,
            "latency": self.latency.to_json(),
        })
    }
}

/// Lets clients send one request after the other, through all gateways, for `duration`.
pub(super) async fn throughput(
    target: &Target,
    request: &Exchange,
    clients: u32,
    duration: Duration,
) -> Throughput {
    let (start, mut tasks) = (Instant::now(), JoinSet::new());
    for place in 0..clients as usize {
        let (target, request) = (target.clone(), request.clone());
        tasks.spawn(async move {
            let (mut latencies, mut failed) = (Vec::new(), 0_u64);
            while start.elapsed() < duration {
                match target.send(&request, place).await {
                    Ok(took) => latencies.push(took),
                    Err(_) => failed += 1,
                }
            }
            (latencies, failed)
        });
    }
    let (mut all, mut failed) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (latencies, missed) = done.unwrap_or_default();
        all.extend(latencies);
        failed += missed;
    }
    Throughput {
        latency: Sample::new(all),
        failed,
        took: start.elapsed(),
    }
}
