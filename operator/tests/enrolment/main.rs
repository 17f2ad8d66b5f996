//! The enrolment server over real TLS, real sidecars' enrolment against it, and an API server that
//! does what the real one does with the few objects that matter here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::large_futures, reason = "a test has one stack to itself")]
#![allow(
    clippy::unused_self,
    reason = "paths are asked of the service they belong to"
)]

mod api_server;
mod refusals;
mod replica;
mod service;
mod story;
