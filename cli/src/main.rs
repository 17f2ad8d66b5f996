//! Run, call, verify and diagnose Byzantine services.

fn main() {}
