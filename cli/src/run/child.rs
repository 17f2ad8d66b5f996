//! One process: started in a group of its own, its output collected, ended with all it started.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

use super::console::{Console, Label};
use super::log_file::LogFile;
use crate::error::CliError;

/// Lines of standard error kept for a report.
const TAIL: usize = 12;

/// A longer line is cut into several, in bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// How long output may still come after the end of a process, from what it left behind.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// What to start.
pub(super) struct Launch {
    /// For messages, such as `the app of replica 2`.
    pub(super) what: String,
    pub(super) label: Label,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) directory: PathBuf,
    pub(super) log: PathBuf,
}

/// A process at work. It ends when its standard input ends, if it is one of ours.
pub(super) struct Process {
    child: Child,
    group: Pid,
    stdin: Option<ChildStdin>,
    tail: Tail,
    readers: Vec<JoinHandle<()>>,
}

type Tail = Arc<Mutex<VecDeque<String>>>;

impl Process {
    pub(super) fn start(launch: &Launch, console: &Console) -> Result<Self, CliError> {
        let failed = |source: io::Error| CliError::Spawn {
            what: launch.what.clone(),
            source,
        };
        let log = LogFile::open(&launch.log).map_err(failed)?;
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.arguments)
            .envs(launch.environment.iter().cloned());
        command
            .current_dir(&launch.directory)
            .process_group(0)
            .kill_on_drop(true);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = Pid::from_raw(id.expect("a process that was not waited for has an id"));
        let tail = Tail::default();
        let sink = Sink {
            console: console.clone(),
            label: launch.label.clone(),
            log: Arc::new(Mutex::new(log)),
            tail: Arc::clone(&tail),
        };
        let readers = [
            child
                .stdout
                .take()
                .map(|pipe| tokio::spawn(collect(pipe, sink.clone()))),
            child
                .stderr
                .take()
                .map(|pipe| tokio::spawn(collect(pipe, sink))),
        ];
        let (stdin, readers) = (child.stdin.take(), readers.into_iter().flatten().collect());
        Ok(Self {
            child,
            group,
            stdin,
            tail,
            readers,
        })
    }

    /// Waits for its end; dropping this future changes nothing.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends what it left behind and waits for the last words of its output.
    pub(super) async fn bury(mut self) -> Vec<String> {
        // Nobody is left in most cases.
        let _ = killpg(self.group, Signal::SIGKILL);
        let _ = self.child.wait().await;
        for reader in &mut self.readers {
            if tokio::time::timeout(LAST_OUTPUT, &mut *reader)
                .await
                .is_err()
            {
                reader.abort();
            }
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.iter().cloned().collect()
    }

    /// Asks it to end, by SIGTERM or the end of its input, and waits for `patience`.
    pub(super) async fn stop(
        mut self,
        by: Ending,
        patience: Duration,
        now: impl Future<Output = ()>,
    ) {
        match by {
            // It may have ended already.
            Ending::Signal => drop(kill(self.group, Signal::SIGTERM)),
            Ending::Input => drop(self.stdin.take()),
        }
        tokio::select! {
            _ = self.child.wait() => {}
            () = tokio::time::sleep(patience) => {}
            () = now => {}
        }
        self.bury().await;
    }
}

/// How a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Signal,
    Input,
}

/// The last lines of a process as part of a message.
pub(super) fn indented(tail: &[String]) -> String {
    tail.iter().flat_map(|line| ["    ", line, "\n"]).collect()
}

/// How a process ended, in words.
pub(super) fn in_words(status: &io::Result<ExitStatus>) -> String {
    match status {
        Err(error) => format!("in a way that cannot be told ({error})"),
        Ok(status) => match (status.code(), status.signal()) {
            // The guard, like a shell, tells an app's signal as 128 + its number.
            (Some(code @ 129..=159), _) => signal_in_words(code - 128),
            (Some(code), _) => format!("with exit code {code}"),
            (None, Some(signal)) => signal_in_words(signal),
            (None, None) => "in an unknown way".to_owned(),
        },
    }
}

fn signal_in_words(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => format!("by {signal}"),
        Err(_) => format!("by signal {number}"),
    }
}

#[derive(Clone)]
struct Sink {
    console: Console,
    label: Label,
    log: Arc<Mutex<LogFile>>,
    tail: Tail,
}

impl Sink {
    fn line(&self, bytes: &[u8]) {
        let line = String::from_utf8_lossy(bytes);
        let line = line.trim_end_matches(['\n', '\r']);
        // A full disk must not stop the process that writes.
        let _ = self
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .line(line);
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line.to_owned());
        drop(tail);
        self.console.log(&self.label, line);
    }
}

/// Reads lines until the end, with a limit on each.
async fn collect(pipe: impl AsyncRead + Unpin, sink: Sink) {
    let (mut reader, mut line) = (BufReader::new(pipe), Vec::new());
    while let Ok(buffer) = reader.fill_buf().await {
        if buffer.is_empty() {
            break;
        }
        let room = LONGEST_LINE - line.len();
        let end = buffer
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|place| place + 1);
        let taken = end.unwrap_or(buffer.len()).min(room);
        line.extend_from_slice(&buffer[..taken]);
        reader.consume(taken);
        if line.ends_with(b"\n") || line.len() == LONGEST_LINE {
            sink.line(&line);
            line.clear();
        }
    }
    if !line.is_empty() {
        sink.line(&line);
    }
}
