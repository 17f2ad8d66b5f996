//! A leaf of either kind has one form.

use byzantine_proof::{BatchLeaf, ResponseLeaf};

pub(super) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(leaf) = ResponseLeaf::parse(text) {
        assert_eq!(leaf.to_text(), text);
    }
    if let Ok(leaf) = BatchLeaf::parse(text) {
        assert_eq!(leaf.to_text(), text);
    }
}
