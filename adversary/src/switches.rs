//! Files that change a running replica: whoever can write its volume can cut it off or kill it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use byzantine_sidecar::Interposer;
use byzantine_sidecar::interposer::{Isolation, Outbound, Parcel};
use http::{HeaderMap, StatusCode};
use tokio::sync::watch;

/// How often the files are looked for; a file system tells nobody that one has come.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Where the files are.
#[derive(Debug, Clone)]
pub(crate) struct Switches {
    isolate: PathBuf,
    crash: PathBuf,
}

impl Switches {
    /// The switches of the replica whose data directory lies in `volume`.
    pub(crate) fn beside(volume: &Path) -> Self {
        Self {
            isolate: volume.join("isolate"),
            crash: volume.join("crash"),
        }
    }

    pub(crate) fn isolate(&self) -> io::Result<()> {
        File::create(&self.isolate).map(drop)
    }

    pub(crate) fn rejoin(&self) -> io::Result<()> {
        match fs::remove_file(&self.isolate) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn crash(&self) -> io::Result<()> {
        File::create(&self.crash).map(drop)
    }

    fn isolated(&self) -> bool {
        self.isolate.exists()
    }

    /// Whether to die, once for each time that it was asked for.
    fn takes_life(&self) -> bool {
        self.crash.exists() && fs::remove_file(&self.crash).is_ok()
    }
}

/// A replica that obeys the switches besides.
pub(crate) struct Switched {
    inner: Box<dyn Interposer>,
    isolation: watch::Receiver<bool>,
}

impl Switched {
    /// Starts to watch the switches, until this is dropped.
    pub(crate) fn watching(inner: Box<dyn Interposer>, switches: Switches) -> io::Result<Self> {
        let (switch, isolation) = watch::channel(switches.isolated());
        let builder = thread::Builder::new().name("switches".to_owned());
        builder.spawn(move || watch_until_unused(&switches, &switch))?;
        Ok(Self { inner, isolation })
    }
}

fn watch_until_unused(switches: &Switches, switch: &watch::Sender<bool>) {
    while !switch.is_closed() {
        thread::sleep(LOOK_INTERVAL);
        if switches.takes_life() {
            std::process::abort();
        }
        let isolated = switches.isolated();
        switch.send_if_modified(|last| std::mem::replace(last, isolated) != isolated);
    }
}

impl Interposer for Switched {
    fn outbound(&self, outbound: &Outbound<'_>) -> Vec<Parcel> {
        self.inner.outbound(outbound)
    }

    fn isolation(&self) -> Isolation {
        Isolation::new(self.isolation.clone())
    }

    fn application_response(
        &self,
        status: &mut StatusCode,
        headers: &mut HeaderMap,
        body: &mut Bytes,
    ) {
        self.inner.application_response(status, headers, body);
    }

    fn client_response(&self, response: http::Response<Bytes>) -> http::Response<Bytes> {
        self.inner.client_response(response)
    }
}

#[cfg(test)]
mod tests {
    use byzantine_sidecar::Honest;

    use super::*;

    #[tokio::test]
    async fn the_file_cuts_the_replica_off_and_its_absence_lets_it_rejoin() {
        let volume = tempfile::tempdir().unwrap();
        let switches = Switches::beside(volume.path());
        switches.isolate().unwrap();
        let replica = Switched::watching(Box::new(Honest), switches.clone()).unwrap();
        let mut isolation = replica.isolation();
        assert!(isolation.lasts());
        switches.rejoin().unwrap();
        isolation.ended().await;
        switches.rejoin().unwrap();
        switches.isolate().unwrap();
        isolation.begun().await;
    }

    #[test]
    fn a_life_is_taken_once() {
        let volume = tempfile::tempdir().unwrap();
        let switches = Switches::beside(volume.path());
        assert!(!switches.takes_life());
        switches.crash().unwrap();
        assert!(switches.takes_life());
        assert!(!switches.takes_life());
    }
}
