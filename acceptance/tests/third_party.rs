//! Services that nobody here wrote or changed, installed from public registries: each is served
//! through any of four gateways, with certified headers and a proof that checks offline.
//!
//! `BYZANTINE_SKIP_THIRD_PARTY=1` goes on without those that cannot be installed, and says so.

use std::path::Path;
use std::process::Command;

use byzantine_acceptance::installed::{installed, python_packages, run};
use byzantine_acceptance::programs::byz;
use byzantine_acceptance::transcript::{exchange_raw, take_apart};
use byzantine_acceptance::{Launch, Service};

/// From `PyPI`; served by waitress, a WSGI server in pure Python.
const HTTPBIN: [&str; 2] = ["httpbin==0.10.2", "waitress==3.0.2"];

/// From npm.
const JSON_SERVER: &str = "json-server@0.17.4";

#[tokio::test(flavor = "multi_thread")]
async fn httpbin_from_pypi() {
    let Some(environment) = installed("httpbin", install_httpbin) else {
        return;
    };
    let waitress = environment.join("bin/waitress-serve").display().to_string();
    let command = [&waitress, "--listen=127.0.0.1:{port}", "httpbin:app"];
    let launch = Launch::command(&command).with_options(&["--name", "httpbin", "--state", "none"]);
    let mut service = launch.start().await;
    for replica in service.replicas() {
        let json = certified(&service, replica, &get("/get?a=1&b=2"), 200);
        assert_eq!(json["args"]["b"], "2", "{json}");
        let echoed = certified(&service, replica, &post("/post", "{\"a\":[1,2]}"), 200);
        assert_eq!(echoed["json"]["a"][1], 2, "{echoed}");
        certified(&service, replica, &get("/status/418"), 418);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_server_from_npm() {
    let Some(directory) = installed("json-server", install_json_server) else {
        return;
    };
    let program = directory
        .join("node_modules/.bin/json-server")
        .display()
        .to_string();
    let start =
        format!("echo '{{\"notes\":[]}}' > db.json && exec {program} --port {{port}} db.json");
    let command = ["sh", "-c", &start];
    let launch = Launch::command(&command).with_options(&["--name", "json-server"]);
    let mut service = launch.start().await;
    for replica in service.replicas() {
        let note = format!("{{\"text\":\"note {replica}\"}}");
        let made = certified(&service, replica, &post("/notes", &note), 201);
        assert_eq!(made["id"], u64::from(replica) + 1, "{made}");
        let next = (replica + 1) % 4;
        let path = format!("/notes/{}", replica + 1);
        let read = certified(&service, next, &get(&path), 200);
        assert_eq!(read, made, "what one gateway wrote, another reads");
    }
    service.stop().await;
}

/// Sends a request as `curl -i` would, saves the response, and has `byz verify` check it.
fn certified(service: &Service, replica: u8, request: &str, status: u16) -> serde_json::Value {
    let response = exchange_raw(service.gateway_address(replica), request.as_bytes());
    let text = String::from_utf8_lossy(&response).into_owned();
    let saved = take_apart(&response).unwrap_or_else(|why| panic!("no {why:?} in {text}"));
    assert_eq!(saved.received.status, status, "{text}");
    for name in ["byzantine-proof", "idempotency-key", "cache-control"] {
        assert!(
            saved.received.header(name).is_some(),
            "{name} is missing: {text}"
        );
    }
    let file = service.data().with_file_name("response");
    std::fs::write(&file, &response).expect("the response can be saved");
    let (policy, file) = (
        service.policy_file().display().to_string(),
        file.display().to_string(),
    );
    let told = byz(["verify", "--policy", &policy, &file]);
    assert_eq!(told.code, Some(0), "{told:?} of {text}");
    serde_json::from_slice(&saved.received.body).unwrap_or_default()
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n")
}

fn post(target: &str, body: &str) -> String {
    let fields = "Host: a\r\nUser-Agent: curl/8\r\nContent-Type: application/json";
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\n{fields}\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn install_httpbin(directory: &Path) -> Result<(), String> {
    python_packages(directory, &HTTPBIN)
}

fn install_json_server(directory: &Path) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--prefix"])
        .arg(directory);
    run(npm.arg(JSON_SERVER))
}
