//! A wallet on SQLite: accounts, transfers, acceptance, and balances that never lie.

fn main() {}
