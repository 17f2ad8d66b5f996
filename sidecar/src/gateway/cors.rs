//! Cross-origin access, which the gateway answers itself (the Fetch standard's CORS protocol).
//!
//! What the app says about it is dropped: answers are certified for all origins alike.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};

use super::reply::{self, Reply};

/// What pages may read besides the safelisted fields.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Byzantine-Proof, Link, Idempotency-Key, Unencoded-Digest, Repr-Digest",
);

/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may read responses.
#[derive(Debug, Clone, Default)]
pub(super) struct Cors {
    origins: Vec<String>,
}

impl Cors {
    /// `origins`: `spec.http.cors.allowOrigins`; `*` allows all.
    pub(super) fn new(origins: Vec<String>) -> Self {
        Self { origins }
    }

    /// The answer to a preflight, which never reaches the app; `None` for other requests.
    pub(super) fn preflight(&self, head: &Parts) -> Option<Reply> {
        let asked = head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        let preflight = head.method == Method::OPTIONS && head.headers.contains_key(header::ORIGIN);
        if !preflight {
            return None;
        }
        let mut reply = reply::empty(StatusCode::NO_CONTENT);
        if self.allowed(&head.headers).is_some() {
            let headers = reply.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, asked.clone());
            if let Some(names) = head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        Some(reply)
    }

    /// Adds what lets a page of an allowed origin read the response.
    pub(super) fn apply(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        if !self.allows_all() {
            response.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.allowed(request) {
            let exposed: HeaderName = header::ACCESS_CONTROL_EXPOSE_HEADERS;
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.insert(exposed, EXPOSED);
        }
    }

    fn allows_all(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }

    /// The value of `Access-Control-Allow-Origin` for a request.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        if self.allows_all() {
            return Some(HeaderValue::from_static("*"));
        }
        let listed = self
            .origins
            .iter()
            .any(|listed| listed.as_bytes() == origin.as_bytes());
        listed.then(|| origin.clone())
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: &str, origin: &str) -> Parts {
        let builder = Request::builder()
            .method(method)
            .uri("/")
            .header("origin", origin);
        let builder = builder
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "x-a");
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn preflights_of_allowed_origins_are_granted() {
        let cors = Cors::new(vec!["https://a.example".to_owned()]);
        let mut reply = cors
            .preflight(&head("OPTIONS", "https://a.example"))
            .unwrap();
        cors.apply(
            &head("OPTIONS", "https://a.example").headers,
            reply.headers_mut(),
        );
        let headers = reply.headers();
        assert_eq!(headers["access-control-allow-methods"], "PUT");
        assert_eq!(headers["access-control-allow-headers"], "x-a");
        assert_eq!(headers["access-control-allow-origin"], "https://a.example");
        let refused = cors
            .preflight(&head("OPTIONS", "https://b.example"))
            .unwrap();
        assert!(
            refused
                .headers()
                .get("access-control-allow-methods")
                .is_none()
        );
        assert!(cors.preflight(&head("PUT", "https://a.example")).is_none());
    }

    #[test]
    fn responses_name_the_origin_and_what_is_exposed() {
        let mut headers = HeaderMap::new();
        Cors::default().apply(&head("GET", "https://a.example").headers, &mut headers);
        assert!(headers.is_empty());
        let all = Cors::new(vec!["*".to_owned()]);
        all.apply(&head("GET", "https://a.example").headers, &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(
            headers["access-control-expose-headers"]
                .to_str()
                .unwrap()
                .contains("Byzantine")
        );
        let mut headers = HeaderMap::new();
        let one = Cors::new(vec!["https://b.example".to_owned()]);
        one.apply(&head("GET", "https://a.example").headers, &mut headers);
        assert_eq!(headers["vary"], "origin");
        assert_eq!(headers.len(), 1);
    }
}
