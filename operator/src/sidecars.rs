//! Asks sidecars for their reports.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::names;
use crate::report::{MAX_REPORT_BYTES, Report};

/// How long a sidecar may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client for sidecars' administration ports.
#[derive(Clone)]
pub struct Sidecars {
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Default for Sidecars {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PATIENCE));
        // A pod's address may be another pod's a second later: connections are not kept.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Self { client }
    }
}

impl Sidecars {
    /// What the sidecar at that address says; nothing, if it does not answer in time or makes no
    /// sense.
    pub async fn report(&self, address: &str) -> Option<Report> {
        tokio::time::timeout(PATIENCE, self.ask(address))
            .await
            .ok()?
    }

    async fn ask(&self, address: &str) -> Option<Report> {
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        };
        let uri = format!("http://{host}:{}/status", names::ADMIN_PORT);
        let response = self.client.get(uri.parse().ok()?).await.ok()?;
        let body = Limited::new(response.into_body(), MAX_REPORT_BYTES);
        let bytes = body.collect().await.ok()?.to_bytes();
        serde_json::from_slice(&bytes).ok()
    }
}
