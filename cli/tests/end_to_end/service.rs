//! A service under test, with its own ports and directory.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Long, since a loaded machine is slow; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs `byz` to its end.
pub(crate) fn byz(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_byz"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) struct Service {
    child: Child,
    port: u16,
    directory: TempDir,
    options: Vec<String>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// Starts four counters and waits until all are ready.
    pub(crate) fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self::launch(directory, free_range(), options)
    }

    /// Starts the same service on the same data again.
    pub(crate) fn resume(mut stopped: Self) -> Self {
        let directory = std::mem::replace(&mut stopped.directory, tempfile::tempdir().unwrap());
        Self::launch(directory, stopped.port, stopped.options.clone())
    }

    fn launch(directory: TempDir, port: u16, options: Vec<String>) -> Self {
        let counter = Path::new(env!("CARGO_BIN_EXE_byz")).with_file_name("examples/counter");
        assert!(
            counter.exists(),
            "first: cargo build -p byz --example counter"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_byz"));
        command.args(["run", "--port", &port.to_string(), "--data"]);
        command.arg(directory.path().join("data")).args(&options);
        command.arg("--").arg(counter);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (heard, stdout) = (Arc::clone(&said), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                heard.lock().unwrap().push(line);
            }
        });
        let mut service = Self {
            child,
            port,
            directory,
            options,
            said,
        };
        eventually("it says ready", PATIENCE, || {
            let ended = service.child.try_wait().unwrap();
            assert!(ended.is_none(), "byz run ended: {ended:?}");
            service.announced("ready: ")
        });
        service.wait_until_ready(4);
        service
    }

    pub(crate) fn announced(&self, text: &str) -> bool {
        self.said
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(text))
    }

    pub(crate) fn wait_until_ready(&self, replicas: usize) {
        eventually("the replicas are ready", PATIENCE, || {
            let output = byz(&["status", "--data", &self.data(), "--output", "json"]);
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let all = status["replicas"].as_array().cloned().unwrap_or_default();
            all.iter()
                .filter(|one| one["status"]["ready"] == true)
                .count()
                >= replicas
        });
    }

    /// Calls any gateway; the second word is the path.
    pub(crate) fn call(&self, words: &[&str]) -> Value {
        let (url, policy) = (format!("{}{}", self.gateway(0), words[1]), self.policy());
        let (second, third) = (self.gateway(1), self.gateway(2));
        let mut arguments = vec!["call", words[0], &url, &second, &third, "--policy", &policy];
        arguments.extend(["--output", "json"]);
        arguments.extend(&words[2..]);
        let output = byz(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Sends a request line and header fields, and reads until the gateway closes.
    pub(crate) fn exchange(&self, replica: u16, head: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port + 10 * replica)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    pub(crate) fn gateway(&self, replica: u16) -> String {
        format!("http://127.0.0.1:{}", self.port + 10 * replica)
    }

    pub(crate) fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    pub(crate) fn policy(&self) -> String {
        format!("{}/policy", self.data())
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    pub(crate) fn kill_app(&self, replica: usize) {
        signal("KILL", &self.app(replica));
    }

    pub(crate) fn kill_sidecar(&self, replica: usize) {
        let configuration = format!("replica-{replica}/sidecar.json");
        let named = |line: &String| line.contains(&self.data()) && line.contains(&configuration);
        signal("KILL", &processes(named).pop().expect("the sidecar runs"));
    }

    /// Every process of this run but its first.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mut all = processes(|line| line.contains(&self.data()) && !line.contains("byz\0run"));
        all.extend((0..4).map(|replica| self.app(replica)));
        all
    }

    fn app(&self, replica: usize) -> String {
        let file = PathBuf::from(self.data()).join(format!("replica-{replica}/app.pid"));
        fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// Stops it gracefully.
    pub(crate) fn stop(&mut self) {
        signal("TERM", &self.child.id().to_string());
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }

    /// Kills `byz run` alone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal("TERM", &self.child.id().to_string());
            let _ = self.child.wait();
        }
    }
}

fn signal(name: &str, process: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), process])
        .status()
        .unwrap();
    assert!(status.success(), "process {process} is gone");
}

/// Processes whose command line, words parted by NUL, is as asked.
fn processes(mut wanted: impl FnMut(&String) -> bool) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let numeric = ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
    numeric
        .filter(|id| {
            let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            wanted(&String::from_utf8_lossy(&line).into_owned())
        })
        .collect()
}

/// Forty ports in a row that nobody uses, below those that the system hands out.
fn free_range() -> u16 {
    let mut bytes = [0; 2];
    let mut random = fs::File::open("/dev/urandom").unwrap();
    loop {
        random.read_exact(&mut bytes).unwrap();
        let first = 16_000 + u16::from_be_bytes(bytes) % 300 * 50;
        let free = |port: u16| TcpListener::bind(("0.0.0.0", port)).is_ok();
        if (first..first + 40).all(free) {
            return first;
        }
    }
}
