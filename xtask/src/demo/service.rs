//! The running service: `byz run` with its four replicas, and what one can do to it from outside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::Value;

use crate::command::{self, workspace_root};
use crate::demo::byz::built;
use crate::demo::plain_client::{self, PlainRequest};
use crate::demo::ports::{self, REPLICAS, STRIDE};
use crate::demo::{processes, seen};
use crate::error::XtaskError;

const MANIFEST: &str = "examples/wallet/byzantineservice.yaml";
const START_MAX: Duration = Duration::from_mins(1);
const STOP_MAX: Duration = Duration::from_secs(40);
/// How often something outside of this process is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A service under `byz run`; stopped when dropped.
pub(crate) struct Service {
    child: Child,
    base: u16,
    data: PathBuf,
    log: PathBuf,
}

impl Service {
    /// Starts the wallet in `directory` and waits until a quorum serves.
    ///
    /// # Errors
    /// [`XtaskError::Demo`] with the log's end if it does not.
    pub(crate) fn start(directory: &Path) -> Result<Self, XtaskError> {
        let base = ports::free_base()?;
        let (data, log) = (directory.join("data"), directory.join("byz-run.log"));
        let out = File::create(&log).map_err(|source| XtaskError::file(&log, source))?;
        let again = out
            .try_clone()
            .map_err(|source| XtaskError::file(&log, source))?;
        let mut byz = Command::new(built("byz"));
        byz.args(["run", "-f", MANIFEST, "--port", &base.to_string()])
            .arg("--data")
            .arg(&data);
        byz.current_dir(workspace_root())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(again);
        let child = byz
            .spawn()
            .map_err(|source| command::cannot_start(&byz, source))?;
        let mut service = Self {
            child,
            base,
            data,
            log,
        };
        service.wait_until_ready()?;
        Ok(service)
    }

    /// The port of a replica's gateway.
    pub(crate) fn gateway(&self, replica: u16) -> u16 {
        self.base + replica * STRIDE
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The policy file that clients trust.
    pub(crate) fn policy(&self) -> PathBuf {
        self.data.join("policy")
    }

    /// Where the demonstration saves responses.
    pub(crate) fn responses(&self) -> PathBuf {
        self.data.with_file_name("responses")
    }

    /// What a replica says of itself, if it is up.
    pub(crate) fn status(&self, replica: u16) -> Option<Value> {
        let response =
            plain_client::send(self.gateway(replica) + 2, &PlainRequest::get("/status")).ok()?;
        serde_json::from_slice(response.body()).ok()
    }

    /// Kills a replica's sidecar and app, as a power failure would.
    ///
    /// # Errors
    /// [`XtaskError::Demo`] if they are not there to kill.
    pub(crate) fn kill(&self, replica: u16) -> Result<(i32, i32), XtaskError> {
        let directory = self.data.join(format!("replica-{replica}"));
        let sidecar = processes::with_argument(&directory.join("sidecar.json"))?;
        let app = processes::in_file(&directory.join("app.pid"))?;
        processes::kill(sidecar)?;
        processes::kill(app)?;
        Ok((sidecar.as_raw(), app.as_raw()))
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// [`XtaskError::Demo`] with `what` if it does not within `limit`, or if `byz run` ends.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Self) -> bool,
    ) -> Result<Duration, XtaskError> {
        let beginning = Instant::now();
        while beginning.elapsed() < limit {
            if condition(self) {
                return Ok(beginning.elapsed());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.failure(&format!("byz run ended ({status}) before {what}")));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Err(self.failure(&format!("not within {} s: {what}", limit.as_secs())))
    }

    /// Waits until `byz run` has ended, because someone pressed Ctrl-C.
    pub(crate) fn wait_for_end(&mut self) {
        let _ = self.child.wait();
    }

    /// Stops everything, and says how `byz run` ended.
    ///
    /// # Errors
    /// [`XtaskError::Demo`] if it does not end by itself, or badly.
    pub(crate) fn stop(&mut self) -> Result<(), XtaskError> {
        let _ = signal::kill(pid(&self.child), Signal::SIGINT);
        let beginning = Instant::now();
        while beginning.elapsed() < STOP_MAX {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.failure(&format!("byz run ended: {status}"))),
                _ => std::thread::sleep(LOOK_AGAIN),
            }
        }
        Err(self.failure("byz run did not stop on Ctrl-C"))
    }

    fn wait_until_ready(&mut self) -> Result<(), XtaskError> {
        let ready = |service: &Self| {
            (0..REPLICAS).all(|replica| {
                service
                    .status(replica)
                    .is_some_and(|status| status["ready"] == true)
            })
        };
        let policy = self.policy();
        let all = move |service: &Self| policy.is_file() && ready(service);
        self.wait_for("four replicas are ready", START_MAX, all)
            .map(drop)
    }

    fn failure(&self, what: &str) -> XtaskError {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n  ");
        seen(
            format!("{what}\nThe end of its log:\n  {end}"),
            "The replicas' logs say more.",
        )
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.stop();
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("the system's process ids fit in an i32"))
}
