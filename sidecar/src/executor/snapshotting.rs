//! Snapshots of the app's state: when one is made, and how an app is rebuilt from one.
//!
//! All replicas make theirs of the same states, or nobody could compare them: at fixed multiples
//! of K. The app is asked between the last call up to there and the next one, so that it is asked
//! for nothing else meanwhile; writing to disk and syncing go on beside the next calls.

use std::fs::File;
use std::sync::Arc;

use byzantine_consensus::{Execution, Sequence};
use byzantine_proof::Digest;

use super::bulk::BulkFailure;
use super::life::Life;
use super::recovery::{Readiness, Standing};
use super::{Executor, ordinal};
use crate::config::StateKind;
use crate::snapshots::{SnapshotWriter, Stored};

/// A snapshot is made once in so many checkpoint intervals: the whole state is much more work than
/// a checkpoint, and replaying some intervals is little.
pub const SNAPSHOT_CHECKPOINTS: u64 = 16;

impl Executor {
    /// Makes a snapshot if one is due before this batch.
    pub(super) async fn snapshot_before(&mut self, execution: &Execution) {
        let Some(first) = execution.items.iter().find_map(ordinal) else {
            return;
        };
        let last = std::mem::replace(&mut self.last_called, execution.sequence);
        if self.app.state.snapshot_path.is_none() || execution.recorded.is_some() {
            return;
        }
        let due = due(last, execution.sequence, self.snapshot_interval);
        if let Some(sequence) = due.filter(|_| self.given_up.is_empty()) {
            self.make_snapshot(sequence, first).await;
        }
    }

    async fn make_snapshot(&mut self, sequence: Sequence, next: u64) {
        let Readiness::Send(life) = self.bring_to(next).await else {
            return;
        };
        let Standing::Current { applied, .. } = self.standing else {
            return;
        };
        if applied + 1 != next {
            return;
        }
        match self.ask_for_state(sequence, applied, &life).await {
            Ok(writer) => self.store(writer),
            Err(failure) => {
                let path = self.snapshot_path();
                tracing::warn!(%failure, path, "the app gave no snapshot of its state");
                let why = format!("GET {path} (app.state.snapshotPath) gave none: {failure}.");
                self.snapshots.note_trouble(&why);
            }
        }
    }

    async fn ask_for_state(
        &self,
        sequence: Sequence,
        ordinal: u64,
        life: &Life,
    ) -> Result<SnapshotWriter, BulkFailure> {
        let mut writer = self.snapshots.begin(sequence, ordinal)?;
        let (path, client) = (self.snapshot_path(), &self.client);
        client
            .download(path, &mut writer, (&self.lives, life))
            .await?;
        Ok(writer)
    }

    /// The rest is the disk's work, and nobody waits for it.
    fn store(&self, writer: SnapshotWriter) {
        let snapshots = Arc::clone(&self.snapshots);
        tokio::task::spawn_blocking(move || match writer.finish() {
            Ok(manifest) => {
                let (sequence, bytes) = (manifest.sequence.0, manifest.bytes);
                tracing::info!(sequence, bytes, "took a snapshot of the app's state");
            }
            Err(error) => {
                tracing::warn!(%error, "a snapshot of the app's state cannot be kept");
                snapshots.note_trouble(&error.to_string());
            }
        });
    }

    /// Gives the app the newest snapshot that is ahead of it, if there is one.
    pub(super) async fn restore(&mut self, life: &Life, applied: u64) {
        if self.app.state.snapshot_path.is_none() {
            return;
        }
        for stored in self.snapshots.newest_first() {
            if stored.manifest.ordinal <= applied {
                return;
            }
            let Err((why, useless)) = self.put(life, &stored).await else {
                return;
            };
            let sequence = stored.manifest.sequence.0;
            tracing::warn!(sequence, why, "the app was not rebuilt from a snapshot");
            if useless {
                self.snapshots.discard(&stored, &why);
            } else {
                // The app may hold half of it.
                self.standing = Standing::Unknown;
                return;
            }
        }
    }

    /// Why the app did not take it, and whether it never will.
    async fn put(&mut self, life: &Life, stored: &Stored) -> Result<(), (String, bool)> {
        self.announce(false, true, "It is given a snapshot of its state.");
        let (manifest, path) = (&stored.manifest, self.snapshot_path());
        let file = self.checked(stored).await?;
        let body = (file, manifest.bytes);
        let uploaded = self.client.upload(path, body, (&self.lives, life)).await;
        let state = uploaded.map_err(|failure| {
            let refused = matches!(failure, BulkFailure::Refused { .. });
            (failure.to_string(), refused)
        })?;
        let disproved = stored.expected.filter(|_| stored.expected != state);
        if let Some(expected) = disproved {
            return Err((misfit(expected, state), true));
        }
        self.check_applied(manifest.ordinal).await?;
        if let Err(error) = self.snapshots.confirm(stored) {
            tracing::warn!(%error, "a snapshot that was used cannot be kept");
        }
        let (sequence, ordinal) = (manifest.sequence.0, manifest.ordinal);
        tracing::info!(sequence, ordinal, "the app was rebuilt from a snapshot");
        self.snapshots.note_restored(manifest.sequence);
        self.applied(life.clone(), ordinal);
        Ok(())
    }

    async fn checked(&self, stored: &Stored) -> Result<File, (String, bool)> {
        let (snapshots, manifest) = (Arc::clone(&self.snapshots), stored.manifest.clone());
        let checked = tokio::task::spawn_blocking(move || snapshots.checked(&manifest)).await;
        // A panic there is a broken invariant of its own.
        let checked = checked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        checked.map_err(|error| (error.to_string(), true))
    }

    /// A durable app says what it has applied; that must be what the snapshot is of.
    async fn check_applied(&self, ordinal: u64) -> Result<(), (String, bool)> {
        if self.app.state.kind != StateKind::Durable {
            return Ok(());
        }
        let applied = self.ask_applied().await.map_err(|why| (why, false))?;
        if applied == ordinal {
            return Ok(());
        }
        let why = format!(
            "the app took a snapshot of its state after call {ordinal}, and says that it has \
             applied call {applied}"
        );
        Err((why, true))
    }

    fn snapshot_path(&self) -> &str {
        let path = self.app.state.snapshot_path.as_deref();
        path.unwrap_or_default()
    }
}

fn misfit(expected: Digest, found: Option<Digest>) -> String {
    let found = found.map_or_else(|| "none".to_owned(), Digest::to_base64);
    format!(
        "the app's state is to be {} by the leaf of its last call, and it says {found} \
         (Byzantine-State)",
        expected.to_base64()
    )
}

/// The sequence of the snapshot that is due between the calls of two batches.
fn due(last: Sequence, next: Sequence, interval: u64) -> Option<Sequence> {
    let multiple = last.0.checked_next_multiple_of(interval)?;
    (last.0 > 0 && multiple < next.0).then_some(Sequence(multiple))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_when_a_multiple_lies_between_two_calls() {
        let due = |last, next| due(Sequence(last), Sequence(next), 128).map(|it| it.0);
        assert_eq!(due(127, 128), None);
        assert_eq!(due(128, 129), Some(128));
        assert_eq!(due(100, 200), Some(128));
        assert_eq!(due(100, 1000), Some(128));
        assert_eq!(due(129, 130), None);
        assert_eq!(due(0, 500), None, "nothing was called yet");
    }
}
