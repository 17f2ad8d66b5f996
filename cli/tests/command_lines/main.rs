//! Broken command lines and what their users are told.
//!
//! Every case of `cases.txt` is a command line after `$ byz`, its exit code and what it prints to
//! standard error. `BYZANTINE_REWRITE=1 cargo test -p byz --test command_lines` writes it anew;
//! read the difference. PORT is a port in use, DIR the working directory, BIN where byz is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Every command line here is refused, most of them at once.
const LIMIT: Duration = Duration::from_mins(1);

const MANIFEST: &str = "apiVersion: byzantine.dev/v1alpha1\nkind: ByzantineService\n\
    metadata: {name: wallet}\nspec:\n  app: {image: wallet}\n";

/// What another run left behind.
const RECORD: &str = r#"{"identity": {"name": "other", "namespace": "default",
    "domain": "cluster.local", "replicas": 4, "faultTolerance": 1, "replyQuorum": 3,
    "state": "Memory", "http": "", "command": ["other", "--verbose"]}, "port": 15080}"#;

fn prepare(directory: &Path) {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("notes.txt", "hello\n");
    write("not-executable", "#!/bin/sh\n");
    write("plain.yaml", MANIFEST);
    write("misspelt.yaml", &format!("{MANIFEST}  replcas: 4\n"));
    write(
        "few.yaml",
        &format!("{MANIFEST}  faultTolerance: 2\n  replicas: 4\n"),
    );
    write("deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\n");
    write("foreign/diary.txt", "not yours\n");
    write("other/service.json", RECORD);
    write("damaged/service.json", "{");
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proof/vectors/policy.txt");
    fs::copy(policy, directory.join("policy")).unwrap();
}

#[test]
fn each_broken_command_line_has_its_message() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command_lines/cases.txt");
    let recorded = fs::read_to_string(&file).unwrap();
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (mut current, mut count) = (String::new(), 0);
    for line in recorded
        .lines()
        .filter_map(|line| line.strip_prefix("$ byz"))
    {
        let (code, told) = told(line, directory.path(), port);
        writeln!(current, "$ byz{line}\nexit code {code}\n{told}").unwrap();
        count += 1;
    }
    assert!(count >= 20, "only {count} cases");
    if std::env::var_os("BYZANTINE_REWRITE").is_some() {
        fs::write(&file, current).unwrap();
    } else {
        assert_eq!(current, recorded);
    }
}

fn told(line: &str, directory: &Path, port: u16) -> (i32, String) {
    let byz = Path::new(env!("CARGO_BIN_EXE_byz"));
    let port = port.to_string();
    let mut command = Command::new(byz);
    command.args(
        line.split_whitespace()
            .map(|word| word.replace("PORT", &port)),
    );
    command.current_dir(directory).stdin(Stdio::null());
    command
        .env("NO_COLOR", "1")
        .env("PATH", "/usr/bin:/bin")
        .env_remove("BYZANTINE_POLICY");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("byz{line} goes on instead of refusing");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let next_port = (port.parse::<u32>().unwrap() + 1000).to_string();
    let told = told
        .replace(
            &directory.canonicalize().unwrap().display().to_string(),
            "DIR",
        )
        .replace(&directory.display().to_string(), "DIR")
        .replace(&byz.parent().unwrap().display().to_string(), "BIN")
        .replace(&port, "PORT")
        .replace(&next_port, "PORT+1000");
    (output.status.code().unwrap(), told)
}
