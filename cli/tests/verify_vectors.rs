//! `byz verify` on the published vectors, written as `curl -si` would have saved them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Bytes stand in the vectors as characters up to U+00FF.
fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap())
        .collect()
}

fn vectors() -> impl Iterator<Item = (String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proof/vectors");
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    json.map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (
            name,
            serde_json::from_slice(&fs::read(path).unwrap()).unwrap(),
        )
    })
}

fn transcript(vector: &Value) -> Vec<u8> {
    let (response, mut saved) = (&vector["response"], Vec::new());
    if vector["redirected"] == true {
        saved.extend(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\n\r\n");
    }
    write!(saved, "HTTP/1.1 {} Whatever\r\n", response["status"]).unwrap();
    for field in response["headers"].as_array().unwrap() {
        let (name, value) = (field[0].as_str().unwrap(), field[1].as_str().unwrap());
        saved.extend([name.as_bytes(), b": ", &bytes(value), b"\r\n"].concat());
    }
    saved.extend(b"\r\n");
    saved.extend(bytes(response["body"].as_str().unwrap()));
    saved
}

fn verify(vector: &Value, saved: &[u8]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_byz"));
    command.args(["verify", "--output", "json", "--policy"]);
    command.arg(file(
        "policy",
        vector["policy"].as_str().unwrap().as_bytes(),
    ));
    if let Some(proof) = vector["proof"].as_str() {
        command.arg("--proof").arg(file("proof", proof.as_bytes()));
    }
    let request = &vector["request"];
    if request.is_object() {
        let body = file("body", &bytes(request["body"].as_str().unwrap()));
        command.args(["--url", request["url"].as_str().unwrap()]);
        command.args(["-X", request["method"].as_str().unwrap()]);
        command.arg("-d").arg(format!("@{}", body.display()));
        for field in request["headers"].as_array().unwrap() {
            let field = format!(
                "{}: {}",
                field[0].as_str().unwrap(),
                field[1].as_str().unwrap()
            );
            command.args(["-H", &field]);
        }
        if let Some(key) = request["key"].as_str() {
            command.args(["--key", key]);
        }
    }
    command.arg(file("response", saved)).output().unwrap()
}

/// What this command has no option for.
fn is_beyond(vector: &Value) -> bool {
    let signed = vector["request"]["client"]
        .as_str()
        .is_some_and(|client| client != "-");
    signed || !vector["seen"].is_null() || !vector["max_age_ms"].is_null()
}

#[test]
fn vectors_are_decided_as_published() {
    let mut decided = 0;
    for (name, vector) in vectors().filter(|(_, vector)| !is_beyond(vector)) {
        let output = verify(&vector, &transcript(&vector));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let verdict = if told["verified"] == true {
            "verified"
        } else {
            told["error"].as_str().unwrap_or("nothing")
        };
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            verdict,
            vector["expect"].as_str().unwrap(),
            "{name}: {told} {error}"
        );
        let link = name.ends_with("but-a-link");
        let code = if verdict == "verified" {
            0
        } else if link {
            3
        } else {
            1
        };
        assert_eq!(output.status.code(), Some(code), "{name}");
        if code == 0 {
            assert_eq!(told["body"], vector["certified"]["body"], "{name}");
        } else {
            assert!(
                told["body"].is_null(),
                "{name}: a body that is not verified was printed"
            );
        }
        decided += 1;
    }
    assert!(decided > 40, "only {decided} vectors");
}

#[test]
fn damaged_heads_have_the_names_of_what_they_hide() {
    let (_, vector) = vectors().find(|(name, _)| name == "transfer").unwrap();
    let saved = String::from_utf8(transcript(&vector)).unwrap();
    let cases = [
        ("HTTP/1.1 ", "HTXP/1.1 ", "E_NO_PROOF"),
        ("HTTP/1.1 2", "HTTP/1.1 x", "E_STATUS"),
        ("\r\nlocation: ", "\r\nlocation; ", "E_FIELDS"),
        ("\r\nlocation: ", "\r\nlocation : ", "E_FIELDS"),
        ("byzantine-proof: ", "byzantine-prooF2: ", "E_NO_PROOF"),
    ];
    for (from, to, expected) in cases {
        let output = verify(&vector, saved.replacen(from, to, 1).as_bytes());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["error"], expected, "{to}");
        assert_eq!(output.status.code(), Some(1), "{to}");
    }
}
