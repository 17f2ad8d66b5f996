//! Broken manifests and what their authors are told.
//!
//! Every case of `broken.txt` is a manifest between `=== name` and `---`, followed by the message.
//! `BYZANTINE_REWRITE=1 cargo test -p byzantine-resource` writes the messages anew.

use std::fmt::Write as _;
use std::path::Path;

use byzantine_resource::read;

#[test]
fn each_broken_manifest_has_its_message() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken.txt");
    let recorded = std::fs::read_to_string(&file).unwrap();
    let mut current = String::new();
    let mut count = 0;
    for case in recorded.split("=== ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (manifest, _) = rest.split_once("\n---\n").unwrap();
        let message = match read(&manifest.replace("\n...\n", "\n---\n")) {
            Ok(_) => "ACCEPTED".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_ne!(message, "ACCEPTED", "{name}");
        writeln!(current, "=== {name}\n{manifest}\n---\n{message}\n").unwrap();
        count += 1;
    }
    assert!(count >= 20, "only {count} cases");
    if std::env::var_os("BYZANTINE_REWRITE").is_some() {
        std::fs::write(&file, current).unwrap();
    } else {
        assert_eq!(current, recorded);
    }
}
