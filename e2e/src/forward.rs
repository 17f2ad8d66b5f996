//! `kubectl port-forward`, for as long as it is needed.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A port of this machine that leads to one of a pod; closed when dropped.
#[derive(Debug)]
pub struct Forward {
    process: Child,
    port: u16,
}

impl Forward {
    /// Leads to port `port` of `object`, such as `pod/NAME`; none where that cannot be reached.
    pub fn to(namespace: &str, object: &str, port: u16) -> Option<Self> {
        let port = format!(":{port}");
        let mut command = Command::new("kubectl");
        command.args(["port-forward", "--namespace", namespace, object, &port]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().ok()?;
        let mut output = BufReader::new(process.stdout.take()?);
        let mut line = String::new();
        output.read_line(&mut line).ok()?;
        // It tells of each connection, and ends when nobody listens.
        std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        let port = line.split("127.0.0.1:").nth(1)?.split(' ').next()?;
        let port = port.parse().ok()?;
        Some(Self { process, port })
    }

    /// The port on this machine.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it still leads anywhere: it ends with its pod.
    pub fn is_open(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
