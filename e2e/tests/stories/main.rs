//! Stories on a real cluster, told one after the other: `cargo xtask e2e` finds the cluster, gives
//! it the images, and runs them. Each begins with a number, since they share the operator that the
//! first one installs, and each leaves nothing behind.

mod s1_from_nothing;
mod s2_conditions;
mod s3_faults;
mod s4_rollouts;
mod s5_ownership;
mod s6_security;
mod s7_prometheus;
mod s8_bad_input;
mod s9_chart;
