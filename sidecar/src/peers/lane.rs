//! What waits to be written to one peer.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Frames that may wait for one peer.
const QUEUE_FRAMES: usize = 4096;

/// Bytes that may wait for one peer.
const QUEUE_BYTES: usize = 64 << 20;

/// The sending side of a link, open while a connection stands.
pub(super) struct Lane {
    open: Mutex<Option<Open>>,
    cut: Arc<AtomicU64>,
}

struct Open {
    frames: mpsc::Sender<Queued>,
    bytes: Arc<AtomicUsize>,
}

/// A frame that waits.
pub(super) struct Queued {
    pub(super) frame: Bytes,
    /// When it may be written; now, unless somebody delays on purpose.
    pub(super) due: Option<Instant>,
}

/// The writing side of an open lane.
pub(super) struct Waiting {
    frames: mpsc::Receiver<Queued>,
    bytes: Arc<AtomicUsize>,
}

impl Lane {
    pub(super) fn new(cut: Arc<AtomicU64>) -> Self {
        let open = Mutex::new(None);
        Self { open, cut }
    }

    /// Opens the lane for a new connection; what waited for an old one is gone.
    pub(super) fn open(&self) -> Waiting {
        let (sender, frames) = mpsc::channel(QUEUE_FRAMES);
        let bytes = Arc::new(AtomicUsize::new(0));
        let open = Open {
            frames: sender,
            bytes: Arc::clone(&bytes),
        };
        *self.lock() = Some(open);
        Waiting { frames, bytes }
    }

    pub(super) fn close(&self) {
        *self.lock() = None;
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    /// Queues a frame. When there is no room the lane is closed: to drop single frames would
    /// hide that the peer does not keep up, and its STATUS brings back what it lacks.
    pub(super) fn send(&self, frame: Bytes, delay: Duration) {
        let mut lock = self.lock();
        let Some(open) = lock.as_ref() else { return };
        let waiting = open.bytes.fetch_add(frame.len(), Ordering::Relaxed);
        let due = (!delay.is_zero()).then(|| Instant::now() + delay);
        let fits = waiting + frame.len() <= QUEUE_BYTES;
        if !fits || open.frames.try_send(Queued { frame, due }).is_err() {
            *lock = None;
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        // The value is replaced whole, so that a panic elsewhere cannot leave it half done.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The next frame; `None` once the lane is closed and drained.
    pub(super) async fn next(&mut self) -> Option<Queued> {
        let queued = self.frames.recv().await?;
        self.bytes.fetch_sub(queued.frame.len(), Ordering::Relaxed);
        Some(queued)
    }

    /// Whether nothing waits, so that what was written should be flushed.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether the lane was closed by its sender.
    pub(super) fn is_closed(&self) -> bool {
        self.frames.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> (Lane, Arc<AtomicU64>) {
        let cut = Arc::new(AtomicU64::new(0));
        (Lane::new(Arc::clone(&cut)), cut)
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_cut_and_counted() {
        let (lane, cut) = lane();
        let waiting = lane.open();
        for _ in 0..QUEUE_FRAMES {
            lane.send(Bytes::from_static(b"x"), Duration::ZERO);
        }
        assert!(lane.is_open());
        lane.send(Bytes::from_static(b"x"), Duration::ZERO);
        assert!(!lane.is_open() && waiting.is_closed());
        assert_eq!(cut.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let (lane, cut) = lane();
        let _waiting = lane.open();
        let large = Bytes::from(vec![0; QUEUE_BYTES / 2 + 1]);
        lane.send(large.clone(), Duration::ZERO);
        lane.send(large, Duration::ZERO);
        assert_eq!(cut.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn nothing_is_kept_for_a_link_that_is_down() {
        let (lane, cut) = lane();
        lane.send(Bytes::from_static(b"lost"), Duration::ZERO);
        let mut waiting = lane.open();
        lane.send(Bytes::from_static(b"sent"), Duration::ZERO);
        assert_eq!(waiting.next().await.unwrap().frame, &b"sent"[..]);
        assert!(waiting.is_empty());
        assert_eq!(cut.load(Ordering::Relaxed), 0);
    }
}
