//! What must hold for any bytes that come from outside: one property for each decoder.
//!
//! None panics or hangs, and what is accepted is the only form of what it means: written again,
//! it gives the same bytes. `corpora/` holds inputs for each; every test run replays them, and
//! `cargo xtask fuzz` lets libFuzzer look for more.

mod target;

pub use target::{Target, UnknownTarget};
