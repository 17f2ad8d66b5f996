//! A sidecar process without keys or operator: alive, started, not ready, and saying why.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use byzantine_sidecar::status::{EnrolmentState, Status};
use serde_json::json;

use crate::support::{Members, Response, eventually, free_address, key_directory, request};

/// One sidecar whose operator is nowhere.
struct Lonely {
    directory: tempfile::TempDir,
    admin: std::net::SocketAddr,
    process: Child,
}

impl Lonely {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (admin, volume) = (free_address(), directory.path().join("volume"));
        std::fs::create_dir(&volume).unwrap();
        let peers: Vec<String> = (0..4).map(|_| free_address().to_string()).collect();
        // As all replicas share it: no replica is named.
        let config = json!({
            "membership": volume.join("membership"),
            "keys": volume.join("keys"),
            "data": volume.join("data"),
            "listen": {"http": free_address(), "peer": peers[1], "admin": admin},
            "peers": peers,
            "app": {"address": free_address().to_string()},
            "enrolment": {
                "url": format!("https://{}", free_address()),
                "caFile": directory.path().join("ca.crt"),
                "tokenFile": directory.path().join("token"),
                "service": "echo.local.test.example",
            },
        });
        let path = directory.path().join("sidecar.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_byzantine-sidecar"))
            .args(["--replica", "1", "--config"])
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            directory,
            admin,
            process,
        }
    }

    fn volume(&self) -> PathBuf {
        self.directory.path().join("volume")
    }

    fn admin(&self, path: &str) -> Option<Response> {
        request(self.admin, "GET", path, None, "").ok()
    }

    fn status(&self) -> Option<Status> {
        serde_json::from_str(&self.admin("/status")?.body).ok()
    }

    fn state(&self) -> Option<EnrolmentState> {
        Some(self.status()?.enrolment?.state)
    }
}

impl Drop for Lonely {
    fn drop(&mut self) {
        // Nothing can be done about a process that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn without_an_operator_it_waits_alive_and_stops_when_asked() {
    let mut lonely = Lonely::start();
    eventually("an obstacle", || {
        lonely.state() == Some(EnrolmentState::Unreachable)
    });
    for (path, status) in [
        ("/livez", 200),
        ("/livez/app", 200),
        ("/readyz", 503),
        ("/wait-for-drain", 200),
        ("/metrics", 200),
        ("/elsewhere", 404),
    ] {
        assert_eq!(lonely.admin(path).unwrap().status, status, "{path}");
    }
    let status = lonely.status().unwrap();
    assert_eq!((status.replica, status.ready), (1, false));
    assert_eq!(status.service, "echo.local.test.example");
    assert!(status.reasons[0].contains("token"), "{:?}", status.reasons);
    assert!(lonely.volume().join("keys/vote.key").exists());
    let id = lonely.process.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    assert!(lonely.process.wait().unwrap().success());
}

#[test]
fn a_member_without_its_keys_waits_for_them_and_makes_none() {
    let lonely = Lonely::start();
    eventually("keys", || lonely.volume().join("keys/link.key").exists());
    std::fs::remove_dir_all(lonely.volume().join("keys")).unwrap();
    let members = Members::new(lonely.directory.path());
    let membership = members.membership.to_text();
    std::fs::write(lonely.volume().join("membership"), membership).unwrap();
    // It may have made other keys once more before it saw the membership.
    eventually("the loss", || {
        let _ = std::fs::remove_dir_all(lonely.volume().join("keys"));
        lonely.state() == Some(EnrolmentState::KeysLost)
    });
    assert!(!lonely.volume().join("keys").exists());
    // Restored from a copy, it goes on: a member, although no quorum is in sight.
    let kept = key_directory(lonely.directory.path(), members.membership.members()[1].id);
    copy(&kept, &lonely.volume().join("keys"));
    eventually("membership", || {
        lonely
            .status()
            .is_some_and(|status| status.enrolment.is_none() && status.members == 4)
    });
    assert_eq!(lonely.admin("/livez").unwrap().status, 200);
}
