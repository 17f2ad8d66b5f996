//! Every byte of status, certified field, body and proof matters: flipped, it is refused by name.

use crate::vector::Vector;
use byzantine_proof::TlogProof;

/// The changes tried on a byte: one bit, the letter case, another bit.
const MASKS: [u8; 3] = [0x01, 0x20, 0x04];

/// Certified fields that proxies rightly change, and so are not compared.
const MAY_DIFFER: [&str; 2] = ["vary", "content-encoding"];

fn verified() -> Vec<(String, Vector)> {
    let files = crate::vector::files()
        .into_iter()
        .filter(|(_, value)| value["expect"] == "verified");
    files
        .map(|(name, value)| (name, Vector::from_json(&value)))
        .collect()
}

/// Tries every change of every byte that `bytes` finds in a vector.
fn flip(
    name: &str,
    vector: &Vector,
    allowed: &[&str],
    bytes: impl Fn(&mut Vector) -> &mut Vec<u8>,
) {
    let length = bytes(&mut vector.clone()).len();
    for place in 0..length {
        for mask in MASKS {
            let mut changed = vector.clone();
            bytes(&mut changed)[place] ^= mask;
            let error = changed.verify().err().map(|error| error.name());
            let refused = error.is_some_and(|error| allowed.contains(&error));
            assert!(refused, "{name}: byte {place} ^ {mask:#x} gives {error:?}");
        }
    }
}

#[test]
fn every_byte_of_the_proof_header() {
    let names = [
        "E_PROOF_FORMAT",
        "E_ORIGIN",
        "E_SIGNATURE",
        "E_QUORUM",
        "E_LEAF",
        "E_INCLUSION",
        "E_FIELDS",
    ];
    for name in ["transfer", "get", "unbound"] {
        let (_, vector) = verified()
            .into_iter()
            .find(|(other, _)| other == name)
            .unwrap();
        flip(name, &vector, &names, proof_header);
    }
}

/// Tries every change of every byte of one text in the proof, which is then encoded anew.
fn flip_text(
    name: &str,
    vector: &Vector,
    allowed: &[&str],
    text: impl Fn(&mut TlogProof) -> &mut String,
) {
    let mut proof = vector.clone();
    let proof = byzantine_proof::decode_header(proof_header(&mut proof)).unwrap();
    let proof = TlogProof::parse(&proof).unwrap();
    for place in 0..text(&mut proof.clone()).len() {
        for mask in MASKS {
            let mut changed = proof.clone();
            let mut bytes = std::mem::take(text(&mut changed)).into_bytes();
            bytes[place] ^= mask;
            *text(&mut changed) = String::from_utf8(bytes).unwrap();
            let vector = Vector {
                proof: Some(changed.to_text()),
                ..vector.clone()
            };
            let error = vector.verify().err().map(|error| error.name());
            let refused = error.is_some_and(|error| allowed.contains(&error));
            assert!(refused, "{name}: byte {place} ^ {mask:#x} gives {error:?}");
        }
    }
}

fn proof_header(vector: &mut Vector) -> &mut Vec<u8> {
    let mut fields = vector.headers.iter_mut();
    &mut fields
        .find(|(name, _)| name == "byzantine-proof")
        .unwrap()
        .1
}

#[test]
fn every_byte_of_leaf_and_field_block() {
    let leaf = ["E_LEAF", "E_INCLUSION", "E_PROOF_FORMAT"];
    for name in ["transfer", "get", "unbound"] {
        let (_, vector) = verified()
            .into_iter()
            .find(|(other, _)| other == name)
            .unwrap();
        flip_text(name, &vector, &leaf, |proof| &mut proof.leaf);
        flip_text(name, &vector, &["E_FIELDS"], |proof| &mut proof.fields);
    }
}

#[test]
fn every_bit_of_the_status() {
    for (name, vector) in verified() {
        for bit in 0..16 {
            let status = vector.status ^ (1 << bit);
            let error = Vector {
                status,
                ..vector.clone()
            }
            .verify()
            .unwrap_err();
            assert_eq!(error.name(), "E_STATUS", "{name}: bit {bit}");
        }
    }
}

#[test]
fn every_byte_of_certified_fields() {
    for (name, vector) in verified() {
        let certified = vector.verify().unwrap();
        for place in 0..vector.headers.len() {
            let field = vector.headers[place].0.to_ascii_lowercase();
            let compared = certified.fields.iter().any(|other| other.name == field);
            if compared && !MAY_DIFFER.contains(&field.as_str()) && name != "compressed-by-proxy" {
                let gateways = vector.headers[place].1.starts_with(b"</.well-known");
                if gateways {
                    continue;
                }
                flip(&name, &vector, &["E_FIELDS"], |vector| {
                    &mut vector.headers[place].1
                });
                let mut renamed = vector.clone();
                renamed.headers[place].0.replace_range(0..1, "y");
                assert_eq!(
                    renamed.verify().unwrap_err().name(),
                    "E_FIELDS",
                    "{name}: {field}"
                );
            }
        }
    }
}

#[test]
fn every_byte_of_the_body() {
    for (name, vector) in verified() {
        // In a compressed body some bytes of the coding's own header carry no content.
        if name != "compressed-by-proxy" {
            flip(&name, &vector, &["E_BODY"], |vector| &mut vector.body);
        }
    }
}

#[test]
fn letter_case_of_names_and_uncertified_fields_are_exempt() {
    for (name, vector) in verified() {
        let mut changed = vector.clone();
        for (field, value) in &mut changed.headers {
            let free = ["date", "content-length"].contains(&field.to_ascii_lowercase().as_str());
            if free {
                *value = b"anything".to_vec();
            }
            *field = field.to_ascii_uppercase();
        }
        changed
            .headers
            .push(("x-uncertified".to_owned(), b"free".to_vec()));
        assert_eq!(changed.verify(), vector.verify(), "{name}");
    }
}
