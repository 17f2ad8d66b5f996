//! A request as peers order it: one form, and judged alike by everyone.

use byzantine_consensus::Request;
use byzantine_proof::RequestFields;
use byzantine_sidecar::canonical::RequestRules;

pub(super) fn check(bytes: &[u8]) {
    let Some(request) = Request::decode(bytes) else {
        return;
    };
    assert_eq!(&request.encode()[..], bytes);
    let rules = RequestRules::new([], RequestFields::default(), 1 << 20);
    // Canonical or not: either way without a panic, and the same twice.
    assert_eq!(rules.check(&request).is_ok(), rules.check(&request).is_ok());
}
