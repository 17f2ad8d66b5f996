//! Reading a request's body within its limits of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::problem::{Problem, ProblemKind};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long what nobody wants is read, so that the client gets to read the refusal.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(3);

/// How much of it is read.
const MAX_DISCARDED: usize = 16 * 1024 * 1024;

/// The whole body.
///
/// # Errors
/// The problem that the client is told: too large, too slow, or broken.
pub(super) async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced <= limit {
        match tokio::time::timeout(BODY_TIMEOUT, collect(&mut body, limit)).await {
            Ok(Some(read)) => return read,
            Ok(None) => {}
            Err(_) => return Err(slow()),
        }
    }
    // Too slow a client only does without the explanation.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, discard(&mut body)).await;
    let detail = format!("The body has more than the {limit} bytes that are allowed.");
    Err(Problem::new(ProblemKind::BodyTooLarge, detail))
}

/// `None` when there are more than `limit` bytes.
async fn collect(body: &mut Incoming, limit: usize) -> Option<Result<Bytes, Problem>> {
    let mut content = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Some(Err(broken(&error))),
        };
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if data.len() > limit - content.len() {
            return None;
        }
        content.extend_from_slice(data);
    }
    Some(Ok(content.freeze()))
}

async fn discard(body: &mut Incoming) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > MAX_DISCARDED {
            return;
        }
    }
}

fn slow() -> Problem {
    let detail = format!(
        "The body did not arrive within {} seconds.",
        BODY_TIMEOUT.as_secs()
    );
    Problem::new(ProblemKind::SlowRequest, detail)
}

fn broken(error: &hyper::Error) -> Problem {
    let cause = std::error::Error::source(error).map_or_else(String::new, |it| format!(": {it}"));
    let detail = format!("The body did not arrive whole: {error}{cause}");
    Problem::new(ProblemKind::MalformedRequest, detail)
}
