//! `sim` among other programs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};

#[test]
fn whoever_stops_reading_ends_it_without_a_panic() {
    let mut sim = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["run", "--seed", "1", "--n", "4", "--verbose"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(sim.stdout.take());
    let ended = sim.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert!(ended.status.success());
}
