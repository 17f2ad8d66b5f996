//! The project's own chores: demo, test, tidy, ci.

fn main() {}
