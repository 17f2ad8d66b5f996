//! Finding and killing processes of the running service.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::demo::seen;
use crate::error::XtaskError;

/// The process that has this path among its arguments.
///
/// # Errors
/// [`XtaskError::Demo`] if none has.
pub(crate) fn with_argument(path: &Path) -> Result<Pid, XtaskError> {
    let processes = Path::new("/proc");
    let entries = processes
        .read_dir()
        .map_err(|error| XtaskError::file(processes, error))?;
    let wanted = path.as_os_str().as_bytes();
    let mut found = entries.flatten().filter_map(|entry| {
        let arguments = std::fs::read(entry.path().join("cmdline")).ok()?;
        let has = arguments
            .split(|byte| *byte == 0)
            .any(|argument| argument == wanted);
        let number = entry.file_name().to_str()?.parse().ok()?;
        has.then(|| Pid::from_raw(number))
    });
    let what = || {
        seen(
            format!("no process runs with {}", path.display()),
            "Is byz run up?",
        )
    };
    found.next().ok_or_else(what)
}

/// The process whose number is in this file.
///
/// # Errors
/// [`XtaskError::File`] or [`XtaskError::Demo`] if there is none.
pub(crate) fn in_file(path: &Path) -> Result<Pid, XtaskError> {
    let text = std::fs::read_to_string(path).map_err(|source| XtaskError::file(path, source))?;
    let number = text.trim().parse::<i32>().ok().filter(|number| *number > 1);
    let what = || {
        seen(
            format!("{} holds no process: {text:?}", path.display()),
            "Is byz run up?",
        )
    };
    number.map(Pid::from_raw).ok_or_else(what)
}

/// Kills a process as a power failure would.
///
/// # Errors
/// [`XtaskError::Demo`] if it is not there.
pub(crate) fn kill(process: Pid) -> Result<(), XtaskError> {
    signal::kill(process, Signal::SIGKILL).map_err(|error| {
        seen(
            format!("process {process} cannot be killed: {error}"),
            "Is byz run up?",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process that waits for input and has `path` among its arguments.
    ///
    /// It is waited for until it speaks: the kernel wakes the parent of a new program a moment
    /// before the program's arguments can be read in `/proc`.
    fn waiting(path: &Path) -> Child {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "echo up; read line"])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut first = [0; 3];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut first)
            .unwrap();
        child
    }

    #[test]
    fn a_process_is_found_by_its_argument_and_killed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sidecar.json");
        let mut child = waiting(&path);
        let found = with_argument(&path).unwrap();
        assert_eq!(u32::try_from(found.as_raw()).unwrap(), child.id());
        kill(found).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(with_argument(&path).is_err());
    }

    #[test]
    fn a_file_without_a_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.pid");
        assert!(in_file(&path).is_err());
        for bad in ["", "x", "0", "-1", "1"] {
            std::fs::write(&path, bad).unwrap();
            assert!(in_file(&path).is_err(), "{bad}");
        }
        std::fs::write(&path, "4711\n").unwrap();
        assert_eq!(in_file(&path).unwrap(), Pid::from_raw(4711));
    }
}
