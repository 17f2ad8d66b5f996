//! The vector files are what the code makes of fixed keys, and every one ends as it says.
//!
//! `BYZANTINE_REWRITE=1 cargo test -p byzantine-proof` writes them anew.

use std::collections::BTreeMap;
use std::sync::Once;

use byzantine_proof::tree::leaf_hash;
use byzantine_proof::{Digest, IdempotencyKey, Policy, SecretKey, TlogProof, key_hash};
use serde_json::Value;

use crate::catalogue::{four, made};
use crate::service::{Exchange, KEY, Log, TIME_MS, transfer};
use crate::vector::{Vector, directory};
use crate::worked_example;

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// The plain transfer's parts as files of their own, for readers and other programs.
fn texts() -> BTreeMap<&'static str, String> {
    let (mut log, exchange) = (four(), transfer());
    let proof = log.answer(&exchange, &[0, 2, 3]);
    let steps = steps(&log, &exchange, &proof);
    BTreeMap::from([
        ("transfer.request.txt", Log::request(&exchange).text),
        ("transfer.steps.txt", steps),
        ("membership.txt", log.membership.to_text()),
        ("policy.txt", Policy::of(&log.membership).to_string()),
        ("transfer.leaf.txt", proof.leaf.clone()),
        ("transfer.fields.txt", proof.fields.clone()),
        ("transfer.note.txt", proof.note.to_string()),
        ("transfer.tlog-proof", proof.to_text()),
    ])
}

/// The values on the way from the transfer to its proof.
fn steps(log: &Log, exchange: &Exchange, proof: &TlogProof) -> String {
    let origin = log.membership.origin();
    let digest = |text: &str| Digest::of(text.as_bytes());
    let leaf = leaf_hash(proof.leaf.as_bytes());
    let checkpoint = &proof.note.checkpoint;
    let seconds = TIME_MS / 1000;
    let log_seed = digest(&format!("byzantine-log/v1\n{origin}\n"));
    let log_public = SecretKey::from_seed(log_seed.as_bytes()).public_key();
    format!(
        "SHA-256(membership)        {}\nlog key seed               {log_seed}\n\
         log public key             {}\nkey hash                   {}\n\
         SHA-256(request content)   {}\nrequest digest             {}\n\
         SHA-256(field block)       {}\nSHA-256(response content)  {}\n\
         leaf hash                  {leaf}\nroot                       {}\n\n\
         what r0, r2 and r3 signed:\n\ncosignature/v1\ntime {seconds}\n{checkpoint}",
        log.membership.digest(),
        hex::encode(log_public.as_bytes()),
        key_hash(&exchange.client, &IdempotencyKey::parse(KEY).unwrap()),
        Digest::of(&exchange.request_body),
        Log::request(exchange).digest,
        digest(&proof.fields),
        Digest::of(&exchange.body),
        checkpoint.root,
    )
}

/// Every file's name and content.
fn contents() -> Vec<(String, String)> {
    let vectors = made()
        .into_iter()
        .map(|(name, made)| (format!("{name}.json"), made.to_json()));
    let vectors = vectors.map(|(name, value)| (name, pretty(&value)));
    let texts = texts()
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text));
    vectors.chain(texts).collect()
}

/// Writes the files, and the example that shows them, if that was asked for; before any is read.
pub(crate) fn rewrite_if_asked() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        if std::env::var_os("BYZANTINE_REWRITE").is_some() {
            for (name, text) in contents() {
                std::fs::write(directory().join(name), text).unwrap();
            }
            worked_example::rewrite();
        }
    });
}

#[test]
fn the_files_are_what_is_made_of_the_fixed_keys() {
    rewrite_if_asked();
    for (name, text) in contents() {
        let stored = std::fs::read_to_string(directory().join(&name)).unwrap_or_default();
        assert_eq!(
            stored, text,
            "{name} differs: rewrite with BYZANTINE_REWRITE=1 if intended"
        );
    }
}

#[test]
fn every_file_ends_as_it_says() {
    let files = crate::vector::files();
    assert_eq!(files.len(), made().len(), "a file that nothing makes");
    for (name, value) in &files {
        let ended = Vector::from_json(value).to_json();
        assert_eq!(ended["expect"], value["expect"], "{name}");
        assert_eq!(ended["certified"], value["certified"], "{name}");
    }
}

#[test]
fn every_error_name_has_a_file() {
    let names = [
        "E_NO_PROOF",
        "E_PROOF_FORMAT",
        "E_ORIGIN",
        "E_SIGNATURE",
        "E_QUORUM",
        "E_LEAF",
        "E_INCLUSION",
        "E_REDIRECTED",
        "E_KEY",
        "E_REQUEST",
        "E_STATUS",
        "E_FIELDS",
        "E_BODY",
        "E_STALE",
        "E_ROLLBACK",
        "verified",
    ];
    let files = crate::vector::files();
    for name in names {
        assert!(
            files.values().any(|value| value["expect"] == name),
            "{name}"
        );
    }
    assert!(
        files
            .values()
            .all(|value| names.contains(&value["expect"].as_str().unwrap()))
    );
}
