//! Paths that an operator declared unordered: they go straight to this replica's app, their
//! responses are streamed back, and nothing about them is agreed on or certified.
//!
//! Only the exact paths count. Whatever a client could make of a prefix might change the state of
//! one app alone.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use byzantine_consensus::Request;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::canonical::is_hop_by_hop;
use crate::problem::{Problem, ProblemKind};

/// How long the head of a response may take; its body may take for ever.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The way past the agreement.
pub(super) struct Unordered {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
    host: String,
    paths: BTreeSet<String>,
}

impl Unordered {
    /// `address` is the app's `host:port`, `host` what it sees as `Host`.
    pub(super) fn new(address: String, host: String, paths: BTreeSet<String>) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            client,
            address,
            host,
            paths,
        }
    }

    /// Whether a target in canonical form is unordered.
    pub(super) fn serves(&self, target: &str) -> bool {
        let path = target.split('?').next().unwrap_or_default();
        self.paths.contains(path)
    }

    /// Asks the app.
    ///
    /// # Errors
    /// A 503 when it does not answer.
    pub(super) async fn pass(&self, request: &Request) -> Result<Response<Incoming>, Problem> {
        let sent = self
            .request(request)
            .ok_or_else(|| unavailable("the request has no URL"))?;
        let answered = tokio::time::timeout(HEAD_TIMEOUT, self.client.request(sent)).await;
        let answered = answered.map_err(|_| unavailable("it did not answer in 30 seconds"))?;
        let mut response = answered.map_err(|error| unavailable(&error.to_string()))?;
        drop_connection_fields(response.headers_mut());
        Ok(response)
    }

    fn request(&self, request: &Request) -> Option<http::Request<Full<Bytes>>> {
        let mut builder = http::Request::builder()
            .method(request.method.as_str())
            .uri(format!("http://{}{}", self.address, request.target))
            .header(header::HOST, self.host.as_str());
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            builder = builder.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        builder.body(Full::new(request.body.clone())).ok()
    }
}

/// What belongs to the app's connection, and what only certified answers carry.
fn drop_connection_fields(headers: &mut HeaderMap) {
    let dropped = |name: &&HeaderName| {
        is_hop_by_hop(name.as_str()) || name.as_str().starts_with("byzantine-")
    };
    let names: Vec<HeaderName> = headers.keys().filter(dropped).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn unavailable(why: &str) -> Problem {
    let detail = format!("The path is unordered, and this replica's app cannot be asked: {why}.");
    Problem::new(ProblemKind::NotAccepted, detail).retry_after(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_paths_count() {
        let paths = BTreeSet::from(["/events".to_owned()]);
        let unordered = Unordered::new("127.0.0.1:1".to_owned(), "a.b".to_owned(), paths);
        assert!(unordered.serves("/events") && unordered.serves("/events?since=1"));
        for target in [
            "/events/",
            "/events/..;/transfers",
            "/event",
            "/%65vents",
            "/Events",
        ] {
            assert!(!unordered.serves(target), "{target}");
        }
    }
}
