//! Which start of the app process answers.
//!
//! `byz run` writes a fresh number to the instance file before each start; in a pod the inode of
//! the listening socket tells. A connection that was made while that stayed the same leads to that
//! start of the app and to no later one.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::listening::ListeningSockets;
use crate::config::App;

/// The longest instance number in bytes.
const MAX_INSTANCE_BYTES: u64 = 256;

/// How old a look at the kernel's tables may be where a later one decides. It takes milliseconds:
/// to list what listens, the kernel walks all connections of the node.
const RECENT: Duration = Duration::from_millis(100);

/// Looks in a row that may all differ before nothing is believed to be known.
const MAX_LOOKS: usize = 8;

/// How often an idle app is looked at where that is a read of a few bytes: whoever restarted it
/// because it was to be restarted must see soon that this is done.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The same where the kernel's tables must be read.
const TABLES_INTERVAL: Duration = Duration::from_secs(1);

/// One start of the app process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Life {
    /// What the instance file says, or which socket listens.
    Instance(Vec<u8>),
    /// Where neither can be known: how often the app was seen to be down.
    Outages(u64),
}

/// Tells lives apart.
#[derive(Debug)]
pub(super) struct Lives {
    sign: Sign,
    record: PathBuf,
    outages: AtomicU64,
    last: Mutex<Option<(Instant, Option<Life>)>>,
}

/// What differs from life to life.
#[derive(Debug)]
enum Sign {
    InstanceFile(PathBuf),
    Listening(ListeningSockets),
    Outages,
}

impl Lives {
    /// `record` is a file of the sidecar's own that names the last life used.
    pub(super) fn of(app: &App, record: PathBuf) -> Self {
        let sign = match (&app.instance_file, ListeningSockets::of(&app.address)) {
            (Some(file), _) => Sign::InstanceFile(file.clone()),
            (None, Some(sockets)) => Sign::Listening(sockets),
            (None, None) => Sign::Outages,
        };
        Self::new(sign, record)
    }

    fn new(sign: Sign, record: PathBuf) -> Self {
        Self {
            sign,
            record,
            outages: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    /// The present life; `None` while it cannot be known.
    pub(super) fn current(&self) -> Option<Life> {
        let life = match &self.sign {
            Sign::InstanceFile(file) => instance(file),
            Sign::Listening(sockets) => self.seen_twice(|| sockets.identity().map(Life::Instance)),
            Sign::Outages => Some(Life::Outages(self.outages.load(Ordering::Acquire))),
        };
        *self.last() = Some((Instant::now(), life.clone()));
        life
    }

    /// What a look tells that is the same as before, or as another look right after: a table that
    /// changes while it is read may lack a socket that was there all the time, and who takes an
    /// app for a new one feeds it everything again.
    fn seen_twice(&self, look: impl Fn() -> Option<Life>) -> Option<Life> {
        let mut before = self.last().as_ref().and_then(|(_, life)| life.clone());
        for _ in 0..MAX_LOOKS {
            let now = look();
            if now == before {
                return now;
            }
            before = now;
        }
        None
    }

    /// The present life or that of a moment ago: good enough where a call is still refused by
    /// another life.
    pub(super) fn recent(&self) -> Option<Life> {
        let last = self.last().clone();
        match (&self.sign, last) {
            (Sign::Listening(_), Some((seen, life))) if seen.elapsed() < RECENT => life,
            _ => self.current(),
        }
    }

    /// How often it is to be seen whether an idle app was started anew.
    pub(super) fn look_interval(&self) -> Duration {
        match self.sign {
            Sign::Listening(_) => TABLES_INTERVAL,
            Sign::InstanceFile(_) | Sign::Outages => LOOK_INTERVAL,
        }
    }

    /// Why the present life is not known.
    pub(super) fn unknown(&self) -> &'static str {
        match self.sign {
            Sign::InstanceFile(_) => "The file app.instanceFile cannot be read.",
            Sign::Listening(_) | Sign::Outages => "No socket listens on the app's port here.",
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Option<Life>)>> {
        // A plain value is whole whoever panicked while it was locked.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing listened: where lives have no other sign, the next answer is a new one's.
    pub(super) fn note_outage(&self) {
        self.outages.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether an earlier run of this sidecar may have sent calls to this life.
    pub(super) fn may_have_been_used(&self, life: &Life) -> bool {
        match life {
            Life::Instance(content) => {
                std::fs::read(&self.record).is_ok_and(|used| used == *content)
            }
            Life::Outages(outages) => *outages == 0 && self.record.exists(),
        }
    }

    /// Remembers, beyond this run of the sidecar, that calls are sent to a life.
    pub(super) fn mark_used(&self, life: &Life) {
        let content: &[u8] = match life {
            Life::Instance(content) => content,
            Life::Outages(_) => b"-",
        };
        if let Err(error) = std::fs::write(&self.record, content) {
            let file = self.record.display();
            tracing::warn!(%error, %file, "cannot note which start of the app was used; \
                if the sidecar alone restarts now, the app may be fed twice: free disk space");
        }
    }
}

fn instance(file: &std::path::Path) -> Option<Life> {
    // A read of a few bytes, far shorter than handing it to another thread.
    let mut content = Vec::new();
    let opened = std::fs::File::open(file).ok()?;
    opened
        .take(MAX_INSTANCE_BYTES)
        .read_to_end(&mut content)
        .ok()?;
    (!content.is_empty()).then_some(Life::Instance(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_what_the_instance_file_says() {
        let directory = tempfile::tempdir().unwrap();
        let (file, record) = (
            directory.path().join("instance"),
            directory.path().join("life"),
        );
        let lives = Lives::new(Sign::InstanceFile(file.clone()), record.clone());
        assert_eq!(lives.current(), None);
        std::fs::write(&file, "1").unwrap();
        let first = lives.current().unwrap();
        assert!(!lives.may_have_been_used(&first));
        lives.mark_used(&first);
        assert!(Lives::new(Sign::InstanceFile(file.clone()), record).may_have_been_used(&first));
        std::fs::write(&file, "2").unwrap();
        let second = lives.current().unwrap();
        assert!(second != first && !lives.may_have_been_used(&second));
    }

    #[test]
    fn without_another_sign_outages_part_lives() {
        let directory = tempfile::tempdir().unwrap();
        let lives = Lives::new(Sign::Outages, directory.path().join("life"));
        let first = lives.current().unwrap();
        assert!(!lives.may_have_been_used(&first));
        lives.mark_used(&first);
        assert!(lives.may_have_been_used(&first));
        lives.note_outage();
        let second = lives.current().unwrap();
        assert!(second != first && !lives.may_have_been_used(&second));
    }

    #[test]
    fn one_odd_look_changes_nothing() {
        let lives = Lives::new(Sign::Outages, PathBuf::new());
        let life = |number: u8| Some(Life::Instance(vec![number]));
        let told = |looks: &[Option<Life>]| {
            let looks = std::cell::RefCell::new(looks.iter().cloned());
            lives.seen_twice(|| looks.borrow_mut().next().unwrap())
        };
        *lives.last() = Some((Instant::now(), life(1)));
        assert_eq!(told(&[life(1)]), life(1));
        assert_eq!(told(&[None, life(1), life(1)]), life(1));
        assert_eq!(told(&[life(2), life(2)]), life(2));
        let never_alike: Vec<_> = (2..10).map(life).collect();
        assert_eq!(told(&never_alike), None);
    }

    #[test]
    fn another_listening_socket_is_another_life() {
        let directory = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sockets = || ListeningSockets::of(&address.to_string()).unwrap();
        let record = directory.path().join("life");
        let lives = Lives::new(Sign::Listening(sockets()), record.clone());
        let first = lives.current().unwrap();
        lives.mark_used(&first);
        assert!(Lives::new(Sign::Listening(sockets()), record).may_have_been_used(&first));
        drop(listener);
        assert_eq!(lives.recent(), Some(first.clone()));
        assert_eq!(lives.current(), None);
        let _again = std::net::TcpListener::bind(address).unwrap();
        let second = lives.current().unwrap();
        assert!(second != first && !lives.may_have_been_used(&second));
    }
}
