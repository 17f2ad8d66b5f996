//! The specification's worked example shows the bytes of the vector files.

use std::path::PathBuf;

use crate::vector::directory;
use crate::vectors::rewrite_if_asked;

const FENCE: &str = "```";

/// The page with every block behind a `<!-- vectors/NAME -->` marker replaced by that file.
fn filled(page: &str) -> String {
    let mut parts = page.split("<!-- vectors/");
    let mut filled = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").unwrap();
        let behind = rest
            .splitn(3, FENCE)
            .nth(2)
            .expect("a fenced block behind each marker");
        let text = std::fs::read_to_string(directory().join(name)).unwrap();
        let text = text.trim_end_matches('\n');
        let block = format!("<!-- vectors/{name} -->\n{FENCE}text\n{text}\n{FENCE}{behind}");
        filled.push_str(&block);
    }
    filled
}

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/proof-format.md")
}

/// Writes the files' content into the page.
pub(crate) fn rewrite() {
    let text = std::fs::read_to_string(page()).unwrap();
    std::fs::write(page(), filled(&text)).unwrap();
}

#[test]
fn it_shows_the_vectors() {
    rewrite_if_asked();
    let text = std::fs::read_to_string(page()).unwrap();
    assert_eq!(text, filled(&text), "rewrite with BYZANTINE_REWRITE=1");
}
