//! The hidden `byz guard`: an app's parent, which ends it when `byz run` ends.
//!
//! The guard leads a process group in which the app runs. When its standard input ends, because
//! `byz run` stops or was killed, it sends the app SIGTERM, waits, and kills the whole group. When
//! the guard itself is killed, `byz run` kills the group. Only an app that leaves its process
//! group (setsid), or a SIGKILL for both of them, can leave something running.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgrp};

use crate::error::CliError;
use crate::files;
use crate::output;

/// How long an app may take to end.
const PATIENCE: Duration = Duration::from_secs(8);

/// Arguments of `byz guard`.
#[derive(Debug, Args)]
pub(crate) struct GuardArguments {
    /// Receives the app's process id
    #[arg(long)]
    pid_file: PathBuf,
    /// The app's command
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

enum Event {
    Ended(std::io::Result<ExitStatus>),
    Abandoned,
}

pub(crate) fn execute(arguments: &GuardArguments) -> Result<ExitCode, CliError> {
    let app = start(arguments)?;
    let id = Pid::from_raw(i32::try_from(app.id()).expect("process ids are positive"));
    files::write_atomically(&arguments.pid_file, format!("{id}\n").as_bytes())?;
    let (events, received) = mpsc::channel();
    watch_app(app, events.clone());
    watch_input(events);
    // Both senders live until their event.
    match received.recv() {
        Ok(Event::Ended(status)) => Ok(code(status)),
        Ok(Event::Abandoned) | Err(_) => {
            // It may have ended in this moment.
            let _ = kill(id, Signal::SIGTERM);
            let _ = received.recv_timeout(PATIENCE);
            // This ends the guard, too.
            let _ = killpg(getpgrp(), Signal::SIGKILL);
            Ok(ExitCode::FAILURE)
        }
    }
}

fn start(arguments: &GuardArguments) -> Result<Child, CliError> {
    let mut command = Command::new(&arguments.command[0]);
    command.args(&arguments.command[1..]).stdin(Stdio::null());
    let what = arguments.command[0].to_string_lossy().into_owned();
    command
        .spawn()
        .map_err(|source| CliError::Spawn { what, source })
}

fn watch_app(mut app: Child, events: mpsc::Sender<Event>) {
    std::thread::spawn(move || {
        let status = app.wait();
        // The receiver is gone only when this process ends.
        let _ = events.send(Event::Ended(status));
    });
}

fn watch_input(events: mpsc::Sender<Event>) {
    std::thread::spawn(move || {
        let mut byte = [0];
        while std::io::stdin()
            .lock()
            .read(&mut byte)
            .is_ok_and(|count| count > 0)
        {}
        let _ = events.send(Event::Abandoned);
    });
}

/// As a shell tells it: the exit code, or 128 and the signal's number.
fn code(status: std::io::Result<ExitStatus>) -> ExitCode {
    match status {
        Ok(status) => {
            let code = status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal));
            ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
        }
        Err(error) => {
            output::note(format_args!("the app's end cannot be told: {error}"));
            ExitCode::FAILURE
        }
    }
}
