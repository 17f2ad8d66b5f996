//! A policy that was read and is written again says the same.

use byzantine_proof::Policy;

pub(super) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(policy) = Policy::parse(text) {
        let written = policy.to_string();
        assert_eq!(Policy::parse(&written), Ok(policy), "{written}");
    }
}
