//! A replica that dies at work: no farewell, no flush, at a moment that does not depend on time.

use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use byzantine_consensus::Message;
use byzantine_sidecar::Interposer;
use byzantine_sidecar::interposer::{Outbound, Parcel};

/// COMMITs before the end.
const COMMITS: usize = 100;

/// Aborts the process in the tick after the one that sent the last COMMIT, so that this is out.
pub(crate) struct Crash {
    commits: AtomicUsize,
    die: fn(),
}

impl Default for Crash {
    fn default() -> Self {
        Self {
            commits: AtomicUsize::new(0),
            die: || process::abort(),
        }
    }
}

impl Interposer for Crash {
    fn outbound(&self, outbound: &Outbound<'_>) -> Vec<Parcel> {
        let messages = outbound.messages.iter().flatten();
        let commits = messages.filter(|message| matches!(message, Message::Commit(_)));
        if self.commits.fetch_add(commits.count(), Ordering::Relaxed) >= COMMITS {
            (self.die)();
        }
        outbound.honest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::scene;

    static DEATHS: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn it_dies_once_its_hundredth_commit_is_out() {
        let crash = Crash {
            commits: AtomicUsize::new(0),
            die: || {
                DEATHS.fetch_add(1, Ordering::Relaxed);
            },
        };
        let commit = [Message::Commit(scene::vote(&scene::batch(1)))];
        for _ in 0..COMMITS {
            assert_eq!(scene::sent(&crash, &commit, &[], &[]).len(), 3);
        }
        assert_eq!(DEATHS.load(Ordering::Relaxed), 0);
        scene::sent(&crash, &[], &[], &[]);
        assert_eq!(DEATHS.load(Ordering::Relaxed), 1);
    }
}
