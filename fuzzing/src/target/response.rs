//! A field block has one form.

use byzantine_proof::FieldBlock;

pub(super) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(block) = FieldBlock::parse(text) {
        assert_eq!(block.to_text(), text);
    }
}
