//! The enrolment server over real TLS, real sidecars' enrolment against it, and an API server that
//! does what the real one does with the few objects that matter here.

mod api_server;
mod refusals;
mod replica;
mod service;
mod story;
