//! The wallet as a process: its answers on the wire, its death in mid load, its start and stop.

mod wallet_process;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use wallet_process::{Client, Reply, Wallet, command};

fn open(client: &mut Client, owner: &str, opening: u64) -> Reply {
    let body = format!(r#"{{"owner":"{owner}","opening":{opening}}}"#);
    client.call(None, "POST /accounts", &body)
}

fn payment(from: &str, to: &str, amount: u64) -> String {
    format!(r#"{{"from":"{from}","to":"{to}","amount":{amount}}}"#)
}

/// A call of every kind, and the status that it must have.
fn calls(long: &str) -> [(&str, &str, u16); 16] {
    [
        ("POST /accounts", r#"{"owner":"alice","opening":1000}"#, 201),
        ("POST /accounts", r#"{"owner":"bob","opening":0}"#, 201),
        ("POST /accounts", r#"{"owner":"bob","opening":5}"#, 409),
        (
            "POST /transfers",
            r#"{"from":"alice","to":"bob","amount":300}"#,
            201,
        ),
        ("POST /transfers/1/accept", "", 200),
        ("POST /transfers/1/accept", "", 409),
        (
            "POST /payments",
            r#"{"from":"bob","to":"alice","amount":1}"#,
            200,
        ),
        (
            "POST /payments",
            r#"{"from":"bob","to":"alice","amount":5000}"#,
            409,
        ),
        ("POST /payments", "nonsense", 400),
        ("GET /balances", "", 200),
        ("GET /total", "", 200),
        ("GET /accounts/alice", "", 200),
        ("DELETE /accounts/alice", "", 405),
        ("GET /elsewhere", "", 404),
        ("GET /healthz", "", 200),
        ("POST /payments", long, 413),
    ]
}

#[test]
fn answers_are_the_same_bytes_on_two_wallets() {
    let directories = [tempfile::tempdir(), tempfile::tempdir()].map(|made| made.expect("made"));
    let wallets = directories
        .each_ref()
        .map(|directory| Wallet::start(directory.path()));
    let [mut one, mut two] = wallets.each_ref().map(Wallet::connect);
    let long = "x".repeat(70_000);
    for (ordinal, (line, body, status)) in (1..).zip(calls(&long)) {
        let (first, second) = (
            one.call(Some(ordinal), line, body),
            two.call(Some(ordinal), line, body),
        );
        assert_eq!(first, second);
        assert_eq!(
            first.status(),
            status,
            "{line} {}: {}",
            &body[..body.len().min(60)],
            first.body
        );
        assert!(!first.head.contains("date:"), "{}", first.head);
        let problem = first
            .head
            .contains("content-type: application/problem+json");
        assert_eq!(problem, status >= 400, "{}", first.head);
        // A body that was too long may have cost the connection.
        (one, two) = (wallets[0].connect(), wallets[1].connect());
        assert_eq!(one.call(Some(ordinal), "GET /total", "").body, first.body);
    }
    let applied = one.call(None, "GET /byzantine/applied", "");
    assert_eq!(applied.body, "{\"ordinal\":16}\n");
}

#[test]
fn a_wallet_killed_in_mid_load_resumes_at_its_ordinal_and_runs_nothing_twice() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut wallet = Wallet::start(directory.path());
    let mut client = wallet.connect();
    open(&mut client, "alice", 100_000);
    open(&mut client, "bob", 0);
    let mut answered = 0;
    for life in 0..4_u64 {
        let mut client = wallet.connect();
        let applied = client.call(None, "GET /byzantine/applied", "").body;
        let applied: u64 = applied
            .trim_matches(|letter: char| !letter.is_ascii_digit())
            .parse()
            .expect("a number");
        assert!(
            applied == answered || applied == answered + 1,
            "{applied}, answered {answered}"
        );
        let mut killer = Some(wallet);
        let mut ordinal = answered + 1;
        let kill_at = ordinal + 40 + life * 17;
        loop {
            if ordinal == kill_at {
                // Killed from the side, while requests keep coming.
                let mut victim = killer.take().expect("killed once");
                thread::spawn(move || victim.child.kill());
            }
            let body = payment("alice", "bob", 1);
            let Ok(reply) = client.try_call(Some(ordinal), "POST /payments", &body) else {
                break;
            };
            assert_eq!(reply.status(), 200, "{}", reply.body);
            let (left, paid) = (100_000 - ordinal, ordinal);
            let expected = format!(
                "{{\"from\":{{\"owner\":\"alice\",\"balance\":{left}}},\
                 \"to\":{{\"owner\":\"bob\",\"balance\":{paid}}},\"amount\":1}}\n"
            );
            assert_eq!(reply.body, expected);
            answered = ordinal;
            ordinal += 1;
        }
        wallet = restart(directory.path());
    }
    let total = wallet.connect().call(None, "GET /total", "").body;
    assert_eq!(
        total,
        "{\"total\":100000,\"balances\":100000,\"escrow\":0}\n"
    );
    assert!(answered > 160, "only {answered} payments");
}

/// Starts again on the same data once the killed process is gone and its lock with it.
fn restart(data: &Path) -> Wallet {
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::File::open(data.join("wallet.lock"))
        .and_then(|file| file.try_lock().map_err(Into::into))
        .is_err()
    {
        assert!(
            Instant::now() < deadline,
            "the killed wallet keeps its lock"
        );
        thread::yield_now();
    }
    Wallet::start(data)
}

#[test]
fn many_clients_at_once_lose_and_make_no_money() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wallet = Wallet::start(directory.path());
    let owners = ["a", "b", "c", "d"];
    for owner in owners {
        open(&mut wallet.connect(), owner, 50);
    }
    thread::scope(|scope| {
        for worker in 0..8_usize {
            let mut client = wallet.connect();
            scope.spawn(move || {
                for turn in 0..40 {
                    let (from, to) = (
                        owners[(worker + turn) % 4],
                        owners[(worker + turn * 3 + 1) % 4],
                    );
                    let amount = 1 + (turn as u64 * 7 + worker as u64) % 40;
                    let line = if turn % 3 == 0 {
                        "POST /transfers"
                    } else {
                        "POST /payments"
                    };
                    let status = client.call(None, line, &payment(from, to, amount)).status();
                    assert!([200, 201, 409, 422].contains(&status), "{status}");
                }
            });
        }
    });
    let mut client = wallet.connect();
    assert!(
        client
            .call(None, "GET /total", "")
            .body
            .starts_with("{\"total\":200,")
    );
    assert!(!client.call(None, "GET /balances", "").body.contains('-'));
}

#[test]
fn a_signal_stops_it_cleanly_and_its_data_stays() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut wallet = Wallet::start(directory.path());
    let mut client = wallet.connect();
    open(&mut client, "alice", 7);
    let id = wallet.child.id().to_string();
    let sent = Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .expect("kill is installed");
    assert!(sent.success());
    let status = wallet.child.wait().expect("our own child");
    assert!(status.success(), "{status}");
    let wallet = Wallet::start(directory.path());
    let account = wallet.connect().call(None, "GET /accounts/alice", "");
    assert_eq!(account.body, "{\"owner\":\"alice\",\"balance\":7}\n");
}

/// Runs a wallet that must not start; what it says.
fn refusal(data: &Path, port: &str) -> String {
    let mut child = command(data, port)
        .spawn()
        .expect("the binary was built for this test");
    let status = child.wait().expect("our own child");
    assert!(!status.success());
    let mut text = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut text)
        .expect("text");
    text
}

#[test]
fn a_start_that_cannot_be_says_why_and_what_to_do() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wallet = Wallet::start(directory.path());
    let text = refusal(directory.path(), "0");
    assert!(
        text.contains("another wallet serves") && text.contains("--data"),
        "{text}"
    );
    let other = tempfile::tempdir().expect("a temporary directory");
    let text = refusal(other.path(), wallet.port());
    assert!(
        text.contains("cannot listen on 127.0.0.1") && text.contains("PORT"),
        "{text}"
    );
    let text = refusal(other.path(), "many");
    assert!(text.contains("many") && text.contains("--port"), "{text}");
    let file = other.path().join("file");
    fs::write(&file, "x").expect("a working disk");
    let text = refusal(&file, "0");
    assert!(text.contains("cannot use the data directory"), "{text}");
    let unset = command(other.path(), "0")
        .env_remove("PORT")
        .output()
        .expect("it runs");
    assert!(
        String::from_utf8_lossy(&unset.stderr).contains("--port"),
        "{unset:?}"
    );
}
