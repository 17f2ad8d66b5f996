//! One HTTP exchange: a request out, a whole response in.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// The longest body that is read.
const MAX_BODY_BYTES: usize = 16 << 20;

/// A client that keeps its connections.
#[derive(Debug, Clone)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

/// A response that came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Bytes,
}

impl Received {
    /// The first value of a field, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let field = self.headers.iter().find(|(other, _)| other == name)?;
        std::str::from_utf8(&field.1).ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Default for Http {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }
}

impl Http {
    /// Sends a request; whether it arrived is unknown where no response came.
    ///
    /// # Errors
    /// Why there is no response, in words.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Received, String> {
        match tokio::time::timeout(limit, self.exchange(request)).await {
            Ok(received) => received,
            Err(_) => Err(format!("no response within {limit:?}")),
        }
    }

    /// Gets a page.
    ///
    /// # Errors
    /// As [`Http::send`].
    ///
    /// # Panics
    /// When `url` is no URL.
    pub async fn get(&self, url: &str, limit: Duration) -> Result<Received, String> {
        let request = Request::get(url).body(Full::default());
        self.send(request.expect("the test's URL is valid"), limit)
            .await
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Received, String> {
        let response = self.0.request(request).await;
        let response = response.map_err(|error| format!("{error}: {:?}", error.connect_info()))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        let fields = head.headers.iter();
        let headers = fields.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        Ok(Received {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body,
        })
    }
}
