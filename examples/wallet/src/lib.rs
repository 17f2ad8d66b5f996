//! A wallet: accounts, transfers, acceptance, and balances that never lie.
//!
//! A deterministic HTTP service with durable state: equal requests in equal order give equal
//! bytes, with no clock, chance or map order in them. Money is minted by opening an account and
//! never made or lost after that. Each request is one transaction, in which the ordinal it came
//! with and the answer it got are stored beside the data: after a crash the service resumes
//! exactly there, and a repeated request gets its first answer without running again.

pub mod answer;
pub mod arguments;
pub mod bank;
pub mod operation;
pub mod ordinal;
pub mod refusal;
pub mod server;
pub mod snapshot;
pub mod store;
pub mod values;
pub mod writer;
