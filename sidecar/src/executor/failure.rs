//! How a call to the app can fail, and what that says about whether it ran.

use std::io;

use crate::ledger::LedgerError;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallFailure {
    /// Nothing listens at the app's address, so nothing was executed.
    #[error("nothing accepts connections at {address}: {source}")]
    Unreachable {
        /// The app's address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The app was started anew before anything was sent.
    #[error("the app was started anew")]
    LifeChanged,
    /// The app closed the connection before anything was sent.
    #[error("the app closed the connection: {0}")]
    NotSent(#[source] hyper::Error),
    /// The connection broke behind the request: it may have been executed.
    #[error("the connection to the app broke before the whole response was there: {0}")]
    Broken(#[source] hyper::Error),
    /// What came back is no HTTP response that could be read: it was executed.
    #[error("the app's response is not valid HTTP: {0}")]
    Unreadable(#[source] hyper::Error),
    /// `app.timeout` passed: it may still be executed.
    #[error("the app did not answer within app.timeout")]
    TimedOut,
}

impl CallFailure {
    /// Whether the app may have executed the call.
    pub(super) fn may_have_run(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Unreadable(_) | Self::TimedOut)
    }
}

/// Why an app could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(super) enum Setback {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallFailure),
    /// The calls to replay cannot be read.
    #[error("the ledger could not be read: {0}")]
    History(#[from] LedgerError),
}
