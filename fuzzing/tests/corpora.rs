//! Every input that libFuzzer found worth keeping is tried again.

use std::path::{Path, PathBuf};

use byzantine_fuzzing::Target;

/// A corpus with fewer inputs was lost, or never made.
const FEWEST: usize = 100;

#[test]
fn every_kept_input_is_decoded_without_harm() {
    for target in Target::ALL {
        let files = corpus(target);
        let count = files.len();
        assert!(
            count >= FEWEST,
            "{target}: {count} inputs, fewer than {FEWEST}"
        );
        for file in files {
            let bytes = std::fs::read(&file).expect("a kept input can be read");
            println!("{}", file.display());
            target.check(&bytes);
        }
    }
}

fn corpus(target: Target) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora");
    let entries = std::fs::read_dir(directory.join(target.name()));
    let entries = entries.unwrap_or_else(|error| panic!("no corpus of {target}: {error}"));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a directory can be listed").path())
        .collect();
    files.sort();
    files
}
