//! A scripted API server: objects by path, with versions, conflicts, token reviews and Events.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// What the API server knows.
#[derive(Clone, Default)]
pub(crate) struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    tokens: BTreeMap<String, Token>,
    version: u64,
    broken: bool,
    conflicts: usize,
}

/// A token as the API server knows it.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) uid: String,
    pub(crate) audience: &'static str,
    pub(crate) expired: bool,
}

impl ApiServer {
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "default")
    }

    /// Puts an object there; answers its UID.
    pub(crate) fn put(&self, path: &str, mut object: Value) -> String {
        let mut state = self.0.lock().unwrap();
        let uid = format!("uid-{}", state.next());
        object["metadata"]["uid"] = json!(uid);
        object["metadata"]["name"] = json!(path.rsplit('/').next());
        state.objects.insert(path.to_owned(), object);
        uid
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    pub(crate) fn delete(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path);
    }

    /// Makes the text of a token that the kubelet would have put into a pod.
    pub(crate) fn issue(&self, token: Token) -> String {
        let mut state = self.0.lock().unwrap();
        let serial = state.next();
        let claims = json!({
            "jti": serial,
            "kubernetes.io": {"pod": {"name": token.pod, "uid": token.uid}},
        });
        let text = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        state.tokens.insert(text.clone(), token);
        text
    }

    /// From now on every answer is 500, or as before again.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.0.lock().unwrap().broken = broken;
    }

    /// How many writes were refused because another came before.
    pub(crate) fn conflicts(&self) -> usize {
        self.0.lock().unwrap().conflicts
    }

    /// Reasons and notes of all Events.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let state = self.0.lock().unwrap();
        let events = state.objects.iter();
        let events = events.filter(|(path, _)| path.contains("/events/"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        events
            .map(|(_, event)| (text(&event["reason"]), text(&event["note"])))
            .collect()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        // So that two that race do race.
        tokio::task::yield_now().await;
        let mut state = self.0.lock().unwrap();
        let (status, answer) = match method {
            _ if state.broken => failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Method::POST if path == REVIEWS => (StatusCode::CREATED, state.review(body)),
            Method::POST => state.create(&path, body),
            Method::PUT => state.replace(path, body),
            Method::PATCH => state.patch(&path, &body),
            _ => match state.objects.get(&path) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => failure(StatusCode::NOT_FOUND, "NotFound"),
            },
        };
        let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
        *response.status_mut() = status;
        response
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn review(&self, mut review: Value) -> Value {
        let asked = review["spec"]["audiences"][0].clone();
        let token = review["spec"]["token"].as_str().unwrap_or_default();
        let known = self.tokens.get(token).filter(|token| !token.expired);
        review["status"] = match known {
            Some(token) if asked == token.audience => json!({
                "authenticated": true,
                "audiences": [token.audience],
                "user": {
                    "username": format!("system:serviceaccount:{}:default", token.namespace),
                    "extra": {
                        "authentication.kubernetes.io/pod-name": [token.pod],
                        "authentication.kubernetes.io/pod-uid": [token.uid],
                    },
                },
            }),
            Some(_) => json!({"error": "token audiences are invalid for the target audiences"}),
            None => json!({"error": "invalid bearer token, token has expired"}),
        };
        review
    }

    fn create(&mut self, collection: &str, mut object: Value) -> (StatusCode, Value) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = format!("{collection}/{name}");
        if self.objects.contains_key(&path) {
            self.conflicts += 1;
            return failure(StatusCode::CONFLICT, "AlreadyExists");
        }
        object["metadata"]["resourceVersion"] = json!(self.next().to_string());
        self.objects.insert(path, object.clone());
        (StatusCode::CREATED, object)
    }

    fn replace(&mut self, path: String, mut object: Value) -> (StatusCode, Value) {
        let Some(old) = self.objects.get(&path) else {
            return failure(StatusCode::NOT_FOUND, "NotFound");
        };
        assert_ne!(old["immutable"], true, "{path} is immutable");
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        if version(old) != version(&object) {
            self.conflicts += 1;
            return failure(StatusCode::CONFLICT, "Conflict");
        }
        object["metadata"]["resourceVersion"] = json!(self.next().to_string());
        self.objects.insert(path, object.clone());
        (StatusCode::OK, object)
    }

    fn patch(&mut self, path: &str, change: &Value) -> (StatusCode, Value) {
        match self.objects.get_mut(path) {
            Some(object) => {
                object["series"] = change["series"].clone();
                (StatusCode::OK, object.clone())
            }
            None => failure(StatusCode::NOT_FOUND, "NotFound"),
        }
    }
}

fn failure(status: StatusCode, reason: &str) -> (StatusCode, Value) {
    let code = status.as_u16();
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": reason, "code": code, "message": reason,
    });
    (status, body)
}
