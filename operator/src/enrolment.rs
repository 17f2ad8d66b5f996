//! The enrolment server: it pins the public keys with which a service begins.
//!
//! A sidecar proves with a token which pod it is, and by signatures that it holds the secret keys
//! whose public halves it hands over. Once all members are in, the membership is written and never
//! changed. Nothing here can sign for a replica, and a pinned key is never replaced in silence.

mod application;
mod authority;
mod identity;
mod limits;
mod membership;
mod pins;
mod refusal;
mod register;
mod server;

use kube::Client;
use kube::runtime::events::Recorder;
use prometheus::IntCounterVec;
use tokio::net::TcpListener;

pub use authority::{Authority, AuthorityError};
pub use membership::{MEMBERSHIP_KEY, POLICY_KEY, membership_of};
pub use refusal::{Reason, Refusal};

/// The epoch in which a service begins.
pub const GENESIS: u64 = 0;

/// What the enrolment server is made of.
pub struct EnrolmentContext {
    /// The API server.
    pub client: Client,
    /// Vouches for this server, and renews its certificate.
    pub authority: Authority,
    /// `byzantine_operator_enrolments_total{result}`: counts what became of enrolments; `result`
    /// is `complete`, `pinned`, or the refusal's [`Reason`].
    pub results: IntCounterVec,
    /// Writes Events on the services.
    pub recorder: Recorder,
}

/// Serves on this listener until it is dropped.
pub async fn serve(context: EnrolmentContext, listener: TcpListener) {
    server::run(context, listener).await;
}
