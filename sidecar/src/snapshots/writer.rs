//! Writing a snapshot while it comes from the app.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use byzantine_consensus::Sequence;
use byzantine_proof::Digest;

use super::manifest::{CHUNK_BYTES, MAX_SNAPSHOT_BYTES, Manifest};
use super::{SnapshotError, Snapshots, Stored, failed};

/// A snapshot that is being written; dropped unfinished, it is none.
pub struct SnapshotWriter {
    snapshots: Arc<Snapshots>,
    path: PathBuf,
    file: File,
    chunk: Vec<u8>,
    manifest: Manifest,
    generation: u64,
}

impl SnapshotWriter {
    pub(super) fn begin(
        snapshots: Arc<Snapshots>,
        sequence: Sequence,
        ordinal: u64,
        generation: u64,
    ) -> Result<Self, SnapshotError> {
        let path = snapshots.directory.join(format!("{:020}.new", sequence.0));
        let file = File::create(&path).map_err(|source| failed(&path, source))?;
        Ok(Self {
            snapshots,
            path,
            file,
            chunk: Vec::with_capacity(CHUNK_BYTES),
            manifest: Manifest {
                sequence,
                ordinal,
                bytes: 0,
                chunks: Vec::new(),
            },
            generation,
        })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] or [`SnapshotError::File`].
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), SnapshotError> {
        self.manifest.bytes += bytes.len() as u64;
        if self.manifest.bytes > MAX_SNAPSHOT_BYTES {
            let limit = MAX_SNAPSHOT_BYTES;
            return Err(SnapshotError::TooLarge { limit });
        }
        while !bytes.is_empty() {
            let room = CHUNK_BYTES - self.chunk.len();
            let (fits, rest) = bytes.split_at(room.min(bytes.len()));
            self.chunk.extend_from_slice(fits);
            bytes = rest;
            if self.chunk.len() == CHUNK_BYTES {
                self.end_chunk()?;
            }
        }
        Ok(())
    }

    /// Makes it durable and keeps it. Takes as long as the disk does.
    ///
    /// # Errors
    /// [`SnapshotError::File`].
    pub fn finish(mut self) -> Result<Manifest, SnapshotError> {
        if !self.chunk.is_empty() {
            self.end_chunk()?;
        }
        self.file
            .sync_all()
            .map_err(|source| failed(&self.path, source))?;
        let stored = Stored {
            manifest: self.manifest.clone(),
            expected: None,
        };
        self.snapshots.keep(&self.path, stored, self.generation)?;
        Ok(self.manifest.clone())
    }

    fn end_chunk(&mut self) -> Result<(), SnapshotError> {
        self.manifest.chunks.push(Digest::of(&self.chunk));
        let written = self.file.write_all(&self.chunk);
        self.chunk.clear();
        written.map_err(|source| failed(&self.path, source))
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        // Once it is kept it has another name.
        let _ = fs::remove_file(&self.path);
    }
}
