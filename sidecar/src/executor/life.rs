//! Which start of the app process answers.
//!
//! `byz run` writes a fresh number to the instance file before each start. A connection that was
//! made while the number stayed the same leads to that start of the app and to no later one.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest instance number in bytes.
const MAX_INSTANCE_BYTES: u64 = 256;

/// One start of the app process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Life {
    /// What the instance file says.
    Instance(Vec<u8>),
    /// Without such a file: how often the app was seen to be down.
    Outages(u64),
}

/// Tells lives apart.
#[derive(Debug)]
pub(super) struct Lives {
    instance_file: Option<PathBuf>,
    record: PathBuf,
    outages: AtomicU64,
}

impl Lives {
    /// `record` is a file of the sidecar's own that names the last life used.
    pub(super) fn new(instance_file: Option<PathBuf>, record: PathBuf) -> Self {
        Self {
            instance_file,
            record,
            outages: AtomicU64::new(0),
        }
    }

    /// The present life; `None` while the instance file cannot be read.
    pub(super) fn current(&self) -> Option<Life> {
        let Some(file) = &self.instance_file else {
            return Some(Life::Outages(self.outages.load(Ordering::Acquire)));
        };
        // A read of a few bytes, far shorter than handing it to another thread.
        let mut content = Vec::new();
        let opened = std::fs::File::open(file).ok()?;
        opened
            .take(MAX_INSTANCE_BYTES)
            .read_to_end(&mut content)
            .ok()?;
        (!content.is_empty()).then_some(Life::Instance(content))
    }

    /// Nothing listened: without an instance file the next answer is a new life's.
    pub(super) fn note_outage(&self) {
        self.outages.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether an earlier run of this sidecar may have sent calls to this life. Without an instance
    /// file nobody can tell.
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
        let lives = Lives::new(Some(file.clone()), record.clone());
        assert_eq!(lives.current(), None);
        std::fs::write(&file, "1").unwrap();
        let first = lives.current().unwrap();
        assert!(!lives.may_have_been_used(&first));
        lives.mark_used(&first);
        assert!(Lives::new(Some(file.clone()), record).may_have_been_used(&first));
        std::fs::write(&file, "2").unwrap();
        let second = lives.current().unwrap();
        assert!(second != first && !lives.may_have_been_used(&second));
    }

    #[test]
    fn without_a_file_outages_part_lives() {
        let directory = tempfile::tempdir().unwrap();
        let lives = Lives::new(None, directory.path().join("life"));
        let first = lives.current().unwrap();
        assert!(!lives.may_have_been_used(&first));
        lives.mark_used(&first);
        assert!(lives.may_have_been_used(&first));
        lives.note_outage();
        let second = lives.current().unwrap();
        assert!(second != first && !lives.may_have_been_used(&second));
    }
}
