//! The HTTP edges of the sidecar over real TCP: clients in front, an app behind.

#![allow(clippy::unwrap_used, reason = "the whole binary is a test")]

mod app;
mod clients;
mod executing;
mod hostile;
mod recovering;
mod service;
