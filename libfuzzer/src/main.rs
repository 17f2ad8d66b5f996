//! Lets libFuzzer look for bytes that break a decoder; `BYZANTINE_FUZZ_TARGET` names which.

#![no_main]

use std::sync::LazyLock;

use byzantine_fuzzing::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("BYZANTINE_FUZZ_TARGET").unwrap_or_default();
    name.parse().unwrap_or_else(|error| panic!("{error}"))
});

fuzz_target!(|bytes: &[u8]| TARGET.check(bytes));
