//! Stories that run the real programs as a user would, and try to break them.
//!
//! Every story in `tests/` starts `byz run` with real replicas on free ports, talks to it over
//! HTTP, and checks every proof. This library is what the stories share: starting and stopping,
//! a client that fails over, load, and readers of what the service says of itself. Nothing here
//! sleeps where it can wait for an event, and no story leaves a process behind.

pub mod client;
pub mod comeback;
pub mod console;
pub mod eventually;
pub mod exchange;
pub mod group;
pub mod hostile;
pub mod installed;
pub mod load;
pub mod metrics;
pub mod ports;
pub mod programs;
pub mod service;
pub mod size;
pub mod soak;
pub mod stage;
pub mod transcript;
pub mod wallet;

pub use client::{Acknowledged, Call, Client};
pub use load::Load;
pub use service::{Launch, Service};
