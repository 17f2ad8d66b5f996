//! Points in time as people read them.

/// RFC 3339 in UTC with milliseconds, or the bare number when it is no date.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    let timestamp = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    match timestamp {
        Some(timestamp) => format!("{timestamp:.3}"),
        None => format!("{unix_ms} ms after 1970"),
    }
}

/// The clock, in milliseconds since 1970; 0 before that.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        assert_eq!(rfc3339(1_795_000_000_123), "2026-11-18T11:06:40.123Z");
        assert!(rfc3339(u64::MAX).contains("1970"));
    }
}
