//! The verification as strangers see it: vector files, and what becomes of altered responses.

#![allow(clippy::unwrap_used, reason = "the whole binary is a test")]
#![allow(
    clippy::assigning_clones,
    reason = "plain assignments read better in vectors"
)]

mod catalogue;
mod flips;
mod hostile;
mod service;
mod vector;
mod vectors;
mod worked_example;
