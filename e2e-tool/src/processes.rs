//! Processes of a pod, found from the node's process namespace.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

/// A process of a container on this node.
pub(crate) struct Process {
    id: i32,
}

/// The process of pod `pod` (its UID) whose program's file is called `program`.
pub(crate) fn find(pod: &str, program: &str) -> Result<Process, String> {
    let found = running(program)?.into_iter().find(|id| belongs(*id, pod));
    found
        .map(|id| Process { id })
        .ok_or_else(|| format!("no process {program} of pod {pod} on this node"))
}

/// The processes whose program's file is called `program`.
pub(crate) fn running(program: &str) -> Result<Vec<i32>, String> {
    let entries = fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let ids = names.filter_map(|name| name.to_string_lossy().parse().ok());
    Ok(ids.filter(|id| runs(*id, program)).collect())
}

/// Whether a process is in a control group of the pod; systemd writes its UID with underscores.
fn belongs(id: i32, pod: &str) -> bool {
    let groups = fs::read_to_string(format!("/proc/{id}/cgroup")).unwrap_or_default();
    groups.contains(pod) || groups.contains(&pod.replace('-', "_"))
}

fn runs(id: i32, program: &str) -> bool {
    fs::read_link(format!("/proc/{id}/exe"))
        .is_ok_and(|path| path.file_name().is_some_and(|name| name == program))
}

impl Process {
    /// Ends it without a warning.
    pub(crate) fn kill(&self) -> Result<String, String> {
        signal::kill(Pid::from_raw(self.id), Signal::SIGKILL).map_err(|error| error.to_string())?;
        Ok(format!("killed process {}", self.id))
    }

    /// Writes a file in its file system.
    pub(crate) fn write(&self, file: &str, text: &str) -> Result<String, String> {
        let path = self.path(file);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(format!("wrote {file}"))
    }

    /// Reads a file of its file system.
    pub(crate) fn read(&self, file: &str) -> Result<String, String> {
        let path = self.path(file);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Removes a file from its file system.
    pub(crate) fn remove(&self, file: &str) -> Result<String, String> {
        let path = self.path(file);
        fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(format!("removed {file}"))
    }

    fn path(&self, file: &str) -> PathBuf {
        let root = format!("/proc/{}/root", self.id);
        Path::new(&root).join(file.trim_start_matches('/'))
    }
}
