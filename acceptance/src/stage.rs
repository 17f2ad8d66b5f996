//! One story at a time: eight processes of one service are enough for a small machine, and
//! deadlines mean more when nobody else is playing.

use std::fs::File;

/// The right to run a service; given up when dropped.
pub struct Stage {
    _lock: File,
}

impl Stage {
    /// Waits until no other story runs, in this test program or another.
    ///
    /// # Panics
    /// When the lock file cannot be made.
    pub fn enter() -> Self {
        let path = std::env::temp_dir().join("byzantine-acceptance.lock");
        let lock = File::create(&path).expect("a lock file can be made in the temporary directory");
        lock.lock().expect("the lock file can be locked");
        Self { _lock: lock }
    }
}
