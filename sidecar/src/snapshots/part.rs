//! A snapshot of others' on its way here, chunk by chunk, each checked when it comes.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use super::manifest::Manifest;
use super::{SnapshotError, failed};

/// What is there of it. Chunks that came before a restart are found again by their digests.
pub struct Part {
    path: PathBuf,
    file: File,
    manifest: Manifest,
    missing: BTreeSet<u32>,
}

impl Part {
    pub(super) fn open(path: PathBuf, manifest: Manifest) -> Result<Self, SnapshotError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options
            .open(&path)
            .map_err(|source| failed(&path, source))?;
        file.set_len(manifest.bytes)
            .map_err(|source| failed(&path, source))?;
        let missing = (0..manifest.count())
            .filter(|index| manifest.chunk_of(&file, *index).is_none())
            .collect();
        Ok(Self {
            path,
            file,
            manifest,
            missing,
        })
    }

    /// What it will be.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The chunks that are not there yet.
    pub fn missing(&self) -> Vec<u32> {
        self.missing.iter().copied().collect()
    }

    /// Whether all chunks are there.
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    /// Takes a chunk; false when these are not its bytes.
    ///
    /// # Errors
    /// [`SnapshotError::File`].
    pub fn put(&mut self, index: u32, bytes: &[u8]) -> Result<bool, SnapshotError> {
        let place = self.manifest.place(index);
        let sound = self.manifest.is_chunk(index, bytes);
        let Some((offset, _)) = place.filter(|_| sound) else {
            return Ok(false);
        };
        self.file
            .write_all_at(bytes, offset)
            .map_err(|source| failed(&self.path, source))?;
        self.missing.remove(&index);
        Ok(true)
    }

    /// Makes it durable.
    pub(super) fn finish(self) -> Result<(PathBuf, Manifest), SnapshotError> {
        if !self.is_whole() {
            let path = self.path;
            return Err(SnapshotError::Damaged { path });
        }
        self.file
            .sync_all()
            .map_err(|source| failed(&self.path, source))?;
        Ok((self.path, self.manifest))
    }
}
