//! Waiting for what must come true, with a deadline so generous that only a defect misses it.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Until when something must have happened, unless a story says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Between two looks at something that cannot announce itself, such as another process.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until `seen` gives a value.
///
/// # Panics
/// When the deadline passes; `what` says what was waited for.
pub async fn eventually<T>(what: &str, seen: impl AsyncFnMut() -> Option<T>) -> T {
    within(DEADLINE, what, seen).await
}

/// The same with another deadline.
///
/// # Panics
/// When the deadline passes.
pub async fn within<T>(
    deadline: Duration,
    what: &str,
    mut seen: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = seen().await {
            return value;
        }
        assert!(
            started.elapsed() < deadline,
            "after {deadline:?} still not: {what}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// Looks until `value` satisfies `enough`, and shows the last one if it never does.
///
/// # Panics
/// When the deadline passes.
pub async fn until<T: Debug>(
    what: &str,
    mut value: impl AsyncFnMut() -> T,
    enough: impl Fn(&T) -> bool,
) -> T {
    let started = Instant::now();
    loop {
        let seen = value().await;
        if enough(&seen) {
            return seen;
        }
        assert!(
            started.elapsed() < DEADLINE,
            "still not: {what}; the last seen: {seen:#?}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}
