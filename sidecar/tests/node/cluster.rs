//! Four sidecar processes, each beside an app, over real TCP, TLS and disks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use byzantine_consensus::Sequence;
use byzantine_proof::{
    Client, Conditions, IdempotencyKey, LeafKind, OwnRequest, Policy, ReceivedResponse, ReplicaId,
    Verified, verify,
};
use byzantine_sidecar::config::{
    App, AppState, Config, Consensus, Http, Listen, Log, LogFormat, Proofs, StateKind, Storage,
};
use byzantine_sidecar::ledger::Ledger;
use byzantine_sidecar::status::Status;

use crate::support::{Members, Response, eventually, free_address, key_directory, request};

struct Cluster {
    directory: tempfile::TempDir,
    members: Members,
    configs: Vec<Config>,
    processes: Vec<Option<Child>>,
}

impl Cluster {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    fn start_with(change: impl Fn(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let members = Members::new(directory.path());
        let peers: Vec<SocketAddr> = (0..4).map(|_| free_address()).collect();
        let configs = (0..4).map(|replica| config(directory.path(), replica, &peers));
        let mut configs: Vec<Config> = configs.collect();
        configs.iter_mut().for_each(change);
        let mut cluster = Self {
            directory,
            members,
            configs,
            processes: Vec::new(),
        };
        for replica in 0..4 {
            let process = cluster.spawn(replica);
            cluster.processes.push(Some(process));
        }
        for replica in 0..4 {
            eventually("readiness", || {
                cluster
                    .admin(replica, "/readyz")
                    .is_some_and(|ready| ready.status == 200)
            });
        }
        cluster
    }

    fn spawn(&self, replica: usize) -> Child {
        let path = self
            .directory
            .path()
            .join(format!("replica-{replica}/sidecar.json"));
        std::fs::write(
            &path,
            serde_json::to_string(&self.configs[replica]).unwrap(),
        )
        .unwrap();
        let log = path.with_file_name("sidecar.log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_byzantine-sidecar"));
        let command = command
            .arg("--config")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(log);
        command.spawn().unwrap()
    }

    fn admin(&self, replica: usize, path: &str) -> Option<Response> {
        request(self.configs[replica].listen.admin, "GET", path, None, "").ok()
    }

    fn status(&self, replica: usize) -> Option<Status> {
        serde_json::from_str(&self.admin(replica, "/status")?.body).ok()
    }

    fn post(&self, replica: usize, key: &str) -> Option<Response> {
        request(
            self.configs[replica].listen.http,
            "POST",
            "/count?a=1",
            Some(key),
            "body",
        )
        .ok()
    }

    fn kill(&mut self, replica: usize) {
        let mut process = self.processes[replica].take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    fn restart(&mut self, replica: usize) {
        self.processes[replica] = Some(self.spawn(replica));
    }

    /// Asks all to stop and waits until they have, with success.
    fn stop(&mut self) {
        for process in self.processes.iter().flatten() {
            let id = process.id().to_string();
            assert!(Command::new("kill").arg(id).status().unwrap().success());
        }
        for process in self.processes.iter_mut().filter_map(Option::take) {
            let mut process = process;
            assert!(process.wait().unwrap().success());
        }
    }

    fn digests(&self, replica: u8) -> Vec<(Sequence, byzantine_proof::Digest)> {
        let path = self.configs[usize::from(replica)].data.join("ledger.redb");
        let membership = Arc::clone(&self.members.membership);
        let ledger = Ledger::open(&path, membership, ReplicaId(replica)).unwrap();
        ledger.entry_digests(Sequence(1), usize::MAX).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().flatten() {
            // Nothing can be done about a process that is gone already.
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            for replica in 0..4 {
                let path = self
                    .directory
                    .path()
                    .join(format!("replica-{replica}/sidecar.log"));
                let log = std::fs::read_to_string(path).unwrap_or_default();
                let last = log.lines().rev().take(25).collect::<Vec<_>>();
                let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
                eprintln!("--- replica {replica}\n{last}");
            }
        }
    }
}

fn config(directory: &Path, replica: u8, peers: &[SocketAddr]) -> Config {
    let home = |name: &str| -> PathBuf { directory.join(format!("replica-{replica}/{name}")) };
    Config {
        replica,
        membership: directory.join("membership"),
        keys: key_directory(directory, ReplicaId(replica)),
        data: home("data"),
        listen: Listen {
            http: free_address(),
            peer: peers[usize::from(replica)],
            admin: free_address(),
        },
        peers: peers.iter().map(SocketAddr::to_string).collect(),
        app: App {
            address: start_app().to_string(),
            instance_file: None,
            health_path: "/healthz".to_owned(),
            timeout: std::time::Duration::from_secs(5),
            state: AppState {
                kind: StateKind::None,
                ..AppState::default()
            },
        },
        http: Http::default(),
        consensus: Consensus {
            checkpoint_interval: 16,
            ..Consensus::default()
        },
        proofs: Proofs::default(),
        storage: Storage::default(),
        log: Log {
            format: LogFormat::Text,
            level: "debug".to_owned(),
        },
        enrolment: None,
    }
}

/// An app that answers with the global number of the request.
fn start_app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(&stream));
        }
    });
    address
}

fn serve(mut stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut ordinal, mut length) = ("-".to_owned(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("byzantine-ordinal:") {
                value.trim().clone_into(&mut ordinal);
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let size = ordinal.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length:";
        // In one write: a second small one would wait for the first one's acknowledgement.
        let response = format!("{head} {size}\r\n\r\n{ordinal}");
        stream.write_all(response.as_bytes()).ok()?;
    }
}

/// Posts with `count` keys through `gateways` in turn; every answer must be certified.
fn load(cluster: &Cluster, prefix: &str, count: usize, gateways: &[usize]) -> Vec<u64> {
    let post = |number: usize| {
        let gateway = gateways[number % gateways.len()];
        let response = cluster.post(gateway, &format!("{prefix}-{number}"));
        let response = response.expect("the gateway answers");
        assert_eq!(response.status, 200, "{response:?}");
        let proof = response
            .head
            .contains("byzantine-proof: %\"c2sp.org/tlog-proof@v1%0a");
        assert!(proof, "{}", response.head);
        response
            .body
            .parse()
            .expect("the app answers with a number")
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                scope.spawn(move || (worker..count).step_by(8).map(post).collect::<Vec<u64>>())
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    })
}

#[test]
fn four_replicas_answer_once_through_kills_and_agree_byte_for_byte() {
    let mut cluster = Cluster::start();
    let mut ordinals = load(&cluster, "first", 100, &[0, 1, 2, 3]);

    let again = cluster.post(3, "first-0").unwrap();
    let elsewhere = cluster.post(1, "first-0").unwrap();
    assert_eq!(
        again.body, elsewhere.body,
        "one key, one answer, whichever gateway"
    );

    cluster.kill(3);
    ordinals.extend(load(&cluster, "second", 100, &[0, 1, 2]));
    cluster.restart(3);
    eventually("catching up", || {
        let there = cluster.status(0).map(|status| status.ledger_size);
        let here = cluster.status(3).map(|status| status.ledger_size);
        here.is_some() && here == there
    });
    let retried = cluster.post(3, "second-0").unwrap();
    assert_eq!(retried.body, cluster.post(0, "second-0").unwrap().body);

    ordinals.extend(load(&cluster, "third", 50, &[3]));
    ordinals.sort_unstable();
    let each_once: Vec<u64> = (1..=250).collect();
    assert_eq!(ordinals, each_once, "every request ran exactly once");

    eventually("equal ledgers", || {
        let sizes: Vec<_> = (0..4).map(|replica| cluster.status(replica)).collect();
        let root = |status: &Option<Status>| {
            status
                .as_ref()
                .map(|status| (status.ledger_size, status.ledger_root.clone()))
        };
        sizes
            .iter()
            .all(|status| root(status).is_some() && root(status) == root(&sizes[0]))
    });
    for replica in 0..4 {
        let blamed = cluster.status(replica).unwrap().observations;
        let blamed: Vec<_> = blamed
            .iter()
            .filter(|seen| seen.replica.is_some_and(|replica| replica != 3))
            .collect();
        assert!(
            blamed.is_empty(),
            "correct replicas are not named: {blamed:?}"
        );
    }
    cluster.stop();
    let first = cluster.digests(0);
    assert!(!first.is_empty());
    for replica in 1..4 {
        assert_eq!(cluster.digests(replica), first, "replica {replica}");
    }
}

/// What the response is, as anyone finds who has the policy and nothing else.
fn verified(cluster: &Cluster, key: &str, response: &Response) -> Verified {
    let policy = Policy::of(&cluster.members.membership);
    let fields = response.fields.iter();
    let headers: Vec<(&str, &[u8])> = fields
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let received = ReceivedResponse {
        status: response.status,
        headers: &headers,
        body: response.body.as_bytes(),
    };
    let key = IdempotencyKey::new(key).unwrap();
    let own = OwnRequest {
        method: "POST",
        url: "/count?a=1",
        headers: &[],
        body: b"body",
        key: Some(&key),
        client: Client::Anonymous,
    };
    let conditions = Conditions {
        request: Some(own),
        ..Conditions::default()
    };
    verify(&policy, &received, &conditions).unwrap()
}

#[test]
fn a_used_up_quota_is_told_with_a_proof_and_hurts_one_gateway_only() {
    let cluster = Cluster::start_with(|config| config.http.gateway_keys = 3);
    assert_eq!(load(&cluster, "kept", 3, &[1]).len(), 3);

    let refused = cluster.post(1, "one-more").unwrap();
    assert_eq!(refused.status, 429, "{refused:?}");
    for part in [
        "All 3 idempotency keys",
        "replica 1",
        "was not executed",
        "Retry-After",
    ] {
        assert!(refused.body.contains(part), "{part}: {}", refused.body);
    }
    assert!(refused.head.contains("retry-after: 86"), "{}", refused.head);
    let certified = verified(&cluster, "one-more", &refused);
    assert_eq!(
        (certified.leaf.kind, certified.leaf.status),
        (LeafKind::Limit, 429)
    );

    // It is not remembered: again here it is decided anew, and elsewhere it runs.
    let again = cluster.post(1, "one-more").unwrap();
    assert_eq!(again.status, 429, "{again:?}");
    let later = verified(&cluster, "one-more", &again);
    assert!(later.leaf.sequence > certified.leaf.sequence);
    let elsewhere = cluster.post(2, "one-more").unwrap();
    assert_eq!((elsewhere.status, elsewhere.body.as_str()), (200, "4"));
    let ran = verified(&cluster, "one-more", &elsewhere);
    assert_eq!(ran.leaf.kind, LeafKind::App);

    // From now on its answer is that, here too; and so are those of the keys that have a place.
    assert_eq!(cluster.post(1, "one-more").unwrap().body, "4");
    assert_eq!(cluster.post(1, "kept-0").unwrap().status, 200);
}

#[test]
fn all_at_once_killed_they_lose_nothing() {
    let mut cluster = Cluster::start();
    let before = load(&cluster, "key", 40, &[0, 1, 2, 3]);
    for replica in 0..4 {
        cluster.kill(replica);
    }
    for replica in 0..4 {
        cluster.restart(replica);
    }
    for replica in 0..4 {
        eventually("readiness", || {
            cluster
                .admin(replica, "/readyz")
                .is_some_and(|ready| ready.status == 200)
        });
    }
    let after = load(&cluster, "key", 40, &[3, 2, 1, 0]);
    assert_eq!(before, after, "the first answers come again");
    let mut fresh = load(&cluster, "fresh", 10, &[0, 1, 2, 3]);
    fresh.sort_unstable();
    assert_eq!(fresh, (41..=50).collect::<Vec<u64>>());
}

#[test]
fn a_second_sidecar_on_the_same_data_is_refused() {
    let cluster = Cluster::start();
    let path = cluster.directory.path().join("replica-0/sidecar.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_byzantine-sidecar"));
    let output = command.arg("--config").arg(path).output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("another process uses the data directory"),
        "{error}"
    );
}

#[test]
fn the_administration_port_tells_and_changes_nothing() {
    let cluster = Cluster::start();
    load(&cluster, "key", 8, &[0, 1]);
    let page = |path: &str| {
        let page = cluster.admin(0, path).unwrap();
        (page.status, page.body)
    };
    let (status, metrics) = page("/metrics");
    assert!(
        status == 200 && metrics.contains("\nbyzantine_quorum 3\n"),
        "{metrics}"
    );
    assert!(metrics.contains("\nbyzantine_http_request_duration_seconds_count{code=\"200\"} 4\n"));
    assert_eq!(page("/livez").0, 200);
    assert_eq!(page("/livez/app").0, 200);
    assert_eq!(page("/wait-for-drain"), (200, "drained\n".to_owned()));
    assert_eq!(page("/secrets").0, 404);
    let admin = cluster.configs[0].listen.admin;
    assert_eq!(
        request(admin, "POST", "/status", None, "x").unwrap().status,
        405
    );
    // Answers of the other gateway may settle before the own app has run them.
    eventually("replica 0 has run all", || {
        cluster.status(0).is_some_and(|status| status.ordinal == 8)
    });
    let status = cluster.status(0).unwrap();
    assert_eq!(
        (status.members, status.quorum, status.reply_quorum),
        (4, 3, 3)
    );
    assert_eq!(status.counters.answered, 4);
    assert!(status.ready && status.peers.iter().all(|peer| peer.connected));
}
