//! How much the stories do. The defaults finish in minutes on two cores; the full measure is
//! `BYZANTINE_PAYMENTS=10000 cargo test -p byzantine-acceptance --test faults`.

/// Set to the number of payments in a story.
pub const PAYMENTS_VARIABLE: &str = "BYZANTINE_PAYMENTS";

/// Set to 1 to go on without third-party programs that cannot be installed.
pub const SKIP_VARIABLE: &str = "BYZANTINE_SKIP_THIRD_PARTY";

/// Payments in a story unless the environment says otherwise.
const PAYMENTS: usize = 1_000;

/// Requests in flight at a time.
const IN_FLIGHT: usize = 1_000;

/// How many payments a story makes.
///
/// # Panics
/// When the environment says something that is no number.
pub fn payments() -> usize {
    match std::env::var(PAYMENTS_VARIABLE) {
        Ok(text) => text.parse().expect("BYZANTINE_PAYMENTS is a number"),
        Err(_) => PAYMENTS,
    }
}

/// How many of them are in flight at a time: all four gateways' fill, or half of what there is.
pub fn in_flight() -> usize {
    IN_FLIGHT.min(payments() / 2).max(1)
}

/// Whether to go on without third-party programs.
pub fn may_skip_third_parties() -> bool {
    std::env::var(SKIP_VARIABLE).is_ok_and(|value| value == "1")
}
