//! A process and all that it starts, as one group that ends together.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Between two looks at a process that is ending.
const PAUSE: Duration = Duration::from_millis(20);

/// A process group of ours. Dropping it kills what is left of it. A piped standard input stays
/// open until then, so that the leader can tell when its test is gone.
pub struct Group {
    leader: Child,
    pid: Pid,
}

impl Group {
    /// Starts a program as the leader of a new group.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let child = command.process_group(0).spawn();
        let leader = child.unwrap_or_else(|error| panic!("{command:?} starts: {error}"));
        let pid = pid(leader.id());
        Self { leader, pid }
    }

    /// Kills the whole group at once.
    pub fn kill(&self) {
        // A group that is gone is what we want.
        let _ = killpg(self.pid, Signal::SIGKILL);
    }

    /// How the leader ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.leader.try_wait().ok().flatten()
    }

    /// Waits for the leader's end.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                started.elapsed() < deadline,
                "the process has not ended after {deadline:?}"
            );
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        // Without this the leader would stay as a zombie until the tests end.
        let _ = self.leader.wait();
    }
}

/// A process id.
///
/// # Panics
/// When the number is none that the system gives out.
pub fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("process ids fit into 31 bits"))
}

/// Whether a process is there. A zombie is not, once all its threads have ended: only then are
/// its files and ports free.
pub fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    state.is_some_and(|state| !matches!(state, 'Z' | 'X') || threads > 1)
}

/// Waits for the end of a process that was killed and is nobody's child here.
///
/// # Panics
/// When it does not come in time.
pub fn wait_for_end(pid: Pid, deadline: Duration) {
    let started = Instant::now();
    while is_alive(pid) {
        assert!(
            started.elapsed() < deadline,
            "process {pid} lives after {deadline:?}"
        );
        std::thread::sleep(PAUSE);
    }
}

/// The living process whose number is in a file.
pub fn in_file(file: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(file).ok()?;
    let pid = pid(text.trim().parse().ok()?);
    is_alive(pid).then_some(pid)
}

/// The process that was started with a file as one of its arguments.
pub fn with_argument(file: &Path) -> Option<Pid> {
    let wanted = file.as_os_str().as_encoded_bytes();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut found = processes.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|argument| argument == wanted)
    });
    let name = found.next()?.file_name();
    name.to_str()?
        .parse()
        .ok()
        .map(pid)
        .filter(|pid| is_alive(*pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_group_ends_what_its_leader_started() {
        let script = "sleep 600 & echo $! > \"$1\"; wait";
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let mut command = Command::new("sh");
        let group = Group::start(command.args(["-c", script, "sh"]).arg(&file));
        let started = Instant::now();
        let child = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Some(number) = text.strip_suffix('\n') {
                break pid(number.parse().unwrap());
            }
            assert!(started.elapsed() < Duration::from_mins(1));
        };
        assert!(is_alive(child));
        drop(group);
        while is_alive(child) {
            assert!(started.elapsed() < Duration::from_mins(1));
        }
    }
}
