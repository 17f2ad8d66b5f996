//! One try at one gateway.

use std::time::Duration;

use byzantine_proof::{
    Client, Conditions, IdempotencyKey, MaxAge, OwnRequest, Policy, ReceivedResponse, Verified,
    VerifyError, verify,
};
use http::Uri;

use crate::http_client::{HttpClient, Incoming, Outgoing};
use crate::request::borrowed;

/// What a gateway's own error says at most in a report.
const LONGEST_DETAIL: usize = 300;

/// What a try came to.
pub(super) enum Outcome {
    Verified(Box<Verified>),
    Failed {
        why: String,
        /// An answer came, and it is not what it claims to be.
        unverified: bool,
        /// What the gateway asked to wait.
        pause: Option<Duration>,
    },
}

/// What every try needs.
pub(super) struct Attempt<'a> {
    pub(super) client: &'a HttpClient,
    pub(super) policy: &'a Policy,
    pub(super) key: &'a IdempotencyKey,
    pub(super) signer: Client,
    pub(super) timeout: Duration,
    pub(super) max_age: Option<MaxAge>,
}

impl Attempt<'_> {
    pub(super) async fn run(&self, outgoing: &Outgoing) -> Outcome {
        let incoming = match self.client.send(outgoing, self.timeout).await {
            Ok(incoming) => incoming,
            Err(error) => return failed(error.to_string()),
        };
        let mut result = self.verify(outgoing, &incoming, None);
        if let Err(VerifyError::NoProof { link: Some(link) }) = &result
            && let Some(proof) = self.fetch(outgoing, link).await
        {
            result = self.verify(outgoing, &incoming, Some(&proof));
        }
        match result {
            Ok(verified) => Outcome::Verified(Box::new(verified)),
            Err(VerifyError::NoProof { link: None }) if is_own_error(&incoming) => {
                own_error(&incoming)
            }
            Err(error) => Outcome::Failed {
                why: error.to_string(),
                unverified: true,
                pause: None,
            },
        }
    }

    fn verify(
        &self,
        outgoing: &Outgoing,
        incoming: &Incoming,
        proof: Option<&str>,
    ) -> Result<Verified, VerifyError> {
        let (sent, received) = (borrowed(&outgoing.headers), borrowed(&incoming.headers));
        let url = outgoing.url.to_string();
        let request = OwnRequest {
            method: outgoing.method.as_str(),
            url: &url,
            headers: &sent,
            body: &outgoing.body,
            key: Some(self.key),
            client: self.signer,
        };
        let response = ReceivedResponse {
            status: incoming.status,
            headers: &received,
            body: &incoming.body,
        };
        let conditions = Conditions {
            request: Some(request),
            proof,
            redirected: false,
            max_age: self.max_age,
            seen: None,
        };
        verify(self.policy, &response, &conditions)
    }

    /// The proof that the response links to, from the same gateway.
    async fn fetch(&self, outgoing: &Outgoing, link: &str) -> Option<String> {
        let mut parts = outgoing.url.clone().into_parts();
        parts.path_and_query = Some(link.parse().ok()?);
        let url = Uri::from_parts(parts).ok()?;
        let incoming = self
            .client
            .send(&Outgoing::get(url), self.timeout)
            .await
            .ok()?;
        let whole = incoming.status == 200;
        String::from_utf8(incoming.body.to_vec())
            .ok()
            .filter(|_| whole)
    }
}

fn failed(why: String) -> Outcome {
    Outcome::Failed {
        why,
        unverified: false,
        pause: None,
    }
}

/// An error of the gateway itself: it says what happened and has no proof.
fn is_own_error(incoming: &Incoming) -> bool {
    incoming.status >= 400 && incoming.header("content-type") == Some("application/problem+json")
}

fn own_error(incoming: &Incoming) -> Outcome {
    let document: serde_json::Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let detail: String = text("detail").chars().take(LONGEST_DETAIL).collect();
    let seconds = incoming
        .header("retry-after")
        .and_then(|value| value.parse().ok());
    Outcome::Failed {
        why: format!(
            "{} {}: {detail} {}",
            incoming.status,
            text("title"),
            text("nextStep")
        ),
        unverified: false,
        pause: seconds.map(Duration::from_secs),
    }
}
