//! `byzantine-sidecar --config FILE`: one correct replica.

fn main() {}
