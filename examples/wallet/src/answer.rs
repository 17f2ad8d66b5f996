//! An HTTP response as it is stored and sent: the same bytes every time.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::{Deserialize, Serialize};

/// Status, headers in order, and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    headers: Headers,
    body: Bytes,
}

/// Header names (lower case) and values, in the order they are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Headers(Vec<(String, String)>);

/// An answer in the columns of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, as JSON.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A JSON answer; struct fields keep their order.
    pub fn json(status: StatusCode, content: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec(content)
            .expect("our own structs have string keys only and cannot fail to serialise");
        body.push(b'\n');
        let headers = Headers(vec![("content-type".into(), "application/json".into())]);
        Self {
            status: status.as_u16(),
            headers,
            body: body.into(),
        }
    }

    /// With a header set to this value.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.0.retain(|(present, _)| present != name);
        self.headers.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// As it is stored.
    pub fn to_stored(&self) -> StoredAnswer {
        let headers = serde_json::to_string(&self.headers)
            .expect("a list of pairs of strings cannot fail to serialise");
        StoredAnswer {
            status: self.status,
            headers,
            body: self.body.to_vec(),
        }
    }

    /// From what was stored; `None` if that is no answer.
    pub fn from_stored(stored: StoredAnswer) -> Option<Self> {
        let StoredAnswer {
            status,
            headers,
            body,
        } = stored;
        let headers = serde_json::from_str(&headers).ok()?;
        Some(Self {
            status,
            headers,
            body: body.into(),
        })
    }

    /// As hyper sends it; `None` if a stored status or header is none that HTTP knows.
    pub fn into_response(self) -> Option<Response<Full<Bytes>>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).ok()?;
        for (name, value) in self.headers.0 {
            let name = HeaderName::try_from(name).ok()?;
            response
                .headers_mut()
                .append(name, HeaderValue::try_from(value).ok()?);
        }
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_storing() {
        let answer = Answer::json(StatusCode::CREATED, &[1, 2]).with("location", "/x");
        assert_eq!(
            Answer::from_stored(answer.to_stored()),
            Some(answer.clone())
        );
        let response = answer.into_response().expect("ordinary headers");
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["location"], "/x");
    }
}
