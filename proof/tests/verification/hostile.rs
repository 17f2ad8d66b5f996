//! Random damage: whatever is cut, inserted or replaced, nothing else is ever accepted.

use byzantine_proof::{
    BatchLeaf, Checkpoint, FieldBlock, IdempotencyKey, Membership, Policy, RequestFields,
    ResponseLeaf, SignedNote, Tile, TlogProof, decode_header, encode_header,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::vector::{Vector, files};

fn transfer() -> Vector {
    Vector::from_json(&files()["transfer"])
}

/// Replaces up to `removed` bytes at `place` by others.
fn splice(bytes: &mut Vec<u8>, place: Index, removed: usize, inserted: Vec<u8>) {
    let start = place.index(bytes.len() + 1);
    let end = bytes.len().min(start + removed);
    bytes.splice(start..end, inserted);
}

fn header(vector: &mut Vector) -> &mut Vec<u8> {
    let mut fields = vector.headers.iter_mut();
    &mut fields
        .find(|(name, _)| name == "byzantine-proof")
        .unwrap()
        .1
}

/// Bytes that occur in proofs, so that damage is not always plain nonsense.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(&b"0123456789abzAZ+/=-% \n\"\t\xe2\x80\x94"[..]);
    prop::collection::vec(byte, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_header_is_refused(
        place in any::<Index>(), removed in 0_usize..6, inserted in plausible(),
    ) {
        let (original, mut vector) = (transfer(), transfer());
        splice(header(&mut vector), place, removed, inserted);
        // White space around a field value is no part of it.
        let same = header(&mut vector).trim_ascii() == header(&mut original.clone()).as_slice();
        prop_assert_eq!(vector.verify().is_ok(), same);
    }

    #[test]
    fn a_damaged_proof_text_is_refused(
        place in any::<Index>(), removed in 0_usize..6, inserted in plausible(),
    ) {
        let mut vector = transfer();
        let original = decode_header(header(&mut vector)).unwrap();
        let mut bytes = original.clone().into_bytes();
        splice(&mut bytes, place, removed, inserted);
        if let Ok(text) = String::from_utf8(bytes) {
            let same = text == original;
            *header(&mut vector) = encode_header(&text).into_bytes();
            prop_assert_eq!(vector.verify().is_ok(), same);
        }
    }

    #[test]
    fn a_damaged_extra_is_refused(
        place in any::<Index>(), removed in 0_usize..6, inserted in plausible(),
        leaf in any::<bool>(),
    ) {
        let mut vector = transfer();
        let original = TlogProof::parse(&decode_header(header(&mut vector)).unwrap()).unwrap();
        let mut changed = original.clone();
        let text = if leaf { &mut changed.leaf } else { &mut changed.fields };
        let mut bytes = std::mem::take(text).into_bytes();
        splice(&mut bytes, place, removed, inserted);
        if let Ok(spliced) = String::from_utf8(bytes) {
            *text = spliced;
            let same = changed == original;
            vector.proof = Some(changed.to_text());
            prop_assert_eq!(vector.verify().is_ok(), same);
        }
    }

    #[test]
    fn no_reader_panics(bytes in any::<Vec<u8>>(), text in "[ -~\n—]{0,200}", value in ".{0,60}") {
        for text in [&text, &value] {
            let _ = (BatchLeaf::parse(text), Checkpoint::parse(text), FieldBlock::parse(text));
            let _ = (Membership::parse(text), Policy::parse(text), RequestFields::parse(text));
            let _ = (ResponseLeaf::parse(text), SignedNote::parse(text), TlogProof::parse(text));
            let _ = (IdempotencyKey::parse(text), Tile::parse(text));
        }
        let _ = decode_header(&bytes);
    }

    #[test]
    fn no_tile_path_panics(level in any::<u64>(), index in any::<u64>(), width in any::<u16>()) {
        let path = format!("tile/{level}/{index:03}.p/{width}");
        let _ = Tile::parse(&path);
        let _ = Tile::new(u8::try_from(level % 300).unwrap_or(9), index, width);
        let _ = Tile::of_tree(u8::try_from(level % 300).unwrap_or(9), index, level);
    }
}
