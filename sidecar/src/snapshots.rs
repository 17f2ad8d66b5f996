//! Snapshots of the app's state, beside the ledger: the newest two, own ones and those that were
//! taken over from others.
//!
//! A snapshot is there once its manifest is, which is written last; both are synced before they
//! get their names. What is here is acceptable: own ones until the app is found to have diverged,
//! others' because f+1 replicas offered the same bytes, or because a leaf names the state.

mod manifest;
mod part;
mod writer;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use byzantine_consensus::Sequence;
use byzantine_proof::Digest;
use tokio::sync::watch;

pub use manifest::{CHUNK_BYTES, MAX_SNAPSHOT_BYTES, Manifest};
pub use part::Part;
pub use writer::SnapshotWriter;

/// How many are kept: while a peer takes one over, the next one must not replace it.
const KEPT: usize = 2;

/// Why a snapshot cannot be kept or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A file cannot be read or written.
    #[error("cannot use {}: {source}; repair the disk or make room", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The app's state is larger than a snapshot may be.
    #[error(
        "the app's snapshot has more than {limit} bytes; make it smaller, or take snapshotPath out \
         of the manifest: bodies are then kept for ever, and apps are rebuilt by replay"
    )]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// What lies on the disk is not what was written.
    #[error("{} is damaged; it is not used any more, and another one is taken", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// A whole snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What it consists of.
    pub manifest: Manifest,
    /// The state that the app must name once it has taken it, where nothing else speaks for it.
    pub expected: Option<Digest>,
}

/// What is told of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotReport {
    /// The newest one's sequence and bytes.
    pub newest: Option<(Sequence, u64)>,
    /// The one that the app was last rebuilt from.
    pub restored: Option<Sequence>,
    /// Calls sent to the app again since this process started.
    pub replayed: u64,
    /// Why the last one could not be made or used.
    pub trouble: Option<String>,
}

/// The snapshots of one replica.
pub struct Snapshots {
    directory: PathBuf,
    state: Mutex<State>,
    /// From which sequence on the executor needs one that is not here.
    wanted: watch::Sender<Option<Sequence>>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    stored: BTreeMap<Sequence, Stored>,
    /// Counts how often all were given up, so that one that is being written then is not kept.
    generation: u64,
    report: SnapshotReport,
}

impl Snapshots {
    /// Those in `directory`, which is made if it is not there; what is not whole is taken away.
    ///
    /// # Errors
    /// [`SnapshotError::File`].
    pub fn open(directory: PathBuf) -> Result<Self, SnapshotError> {
        fs::create_dir_all(&directory).map_err(|source| failed(&directory, source))?;
        let snapshots = Self {
            directory,
            state: Mutex::default(),
            wanted: watch::Sender::new(None),
            changed: watch::Sender::new(0),
        };
        snapshots.read()?;
        Ok(snapshots)
    }

    fn read(&self) -> Result<(), SnapshotError> {
        let entries =
            fs::read_dir(&self.directory).map_err(|source| failed(&self.directory, source))?;
        let mut found = BTreeMap::new();
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|name| name == "manifest") {
                let manifest = Manifest::read(&path);
                let whole = manifest.filter(|it| self.data_length(it) == Some(it.bytes));
                if let Some(manifest) = whole {
                    let expected = None;
                    found.insert(manifest.sequence, Stored { manifest, expected });
                }
            }
        }
        let mut state = self.state();
        state.report.newest = newest(&found);
        state.stored = found;
        self.remove_strangers(&state);
        Ok(())
    }

    fn data_length(&self, manifest: &Manifest) -> Option<u64> {
        let found = fs::metadata(self.data(manifest.sequence));
        found.ok().map(|found| found.len())
    }

    /// Takes away what belongs to no snapshot that is kept; parts of others' stay, to go on with.
    fn remove_strangers(&self, state: &State) {
        let entries = fs::read_dir(&self.directory).into_iter().flatten();
        for path in entries.flatten().map(|entry| entry.path()) {
            let known = state
                .stored
                .keys()
                .any(|sequence| path == self.data(*sequence) || path == self.names(*sequence));
            let part = path.extension().is_some_and(|name| name == "part");
            if !known && !part {
                // It is tried again with the next one.
                let _ = fs::remove_file(path);
            }
        }
    }

    /// All, the newest first.
    pub fn newest_first(&self) -> Vec<Stored> {
        self.state().stored.values().rev().cloned().collect()
    }

    /// The sequence up to which no replay needs bodies: that of the older one of two. The newer one
    /// may be damaged, and peers may not have it yet.
    pub fn covered(&self) -> Option<Sequence> {
        let state = self.state();
        let shown = state.stored.values().filter(|it| it.expected.is_none());
        let covered = shown.rev().nth(KEPT - 1);
        covered.map(|stored| stored.manifest.sequence)
    }

    /// Begins one.
    ///
    /// # Errors
    /// [`SnapshotError::File`].
    pub fn begin(
        self: &Arc<Self>,
        sequence: Sequence,
        ordinal: u64,
    ) -> Result<SnapshotWriter, SnapshotError> {
        let generation = self.state().generation;
        SnapshotWriter::begin(Arc::clone(self), sequence, ordinal, generation)
    }

    /// Keeps one whose data lie, synced, in `data`, unless all were given up since it was begun.
    ///
    /// # Errors
    /// [`SnapshotError::File`].
    fn keep(&self, data: &Path, stored: Stored, generation: u64) -> Result<(), SnapshotError> {
        let sequence = stored.manifest.sequence;
        let mut state = self.state();
        if state.generation != generation {
            let _ = fs::remove_file(data);
            return Ok(());
        }
        let (place, names) = (self.data(sequence), self.names(sequence));
        fs::rename(data, &place).map_err(|source| failed(&place, source))?;
        // A state that is still to be shown is kept in memory only: without it, it is fetched anew.
        if stored.expected.is_none() {
            stored
                .manifest
                .write(&names)
                .map_err(|source| failed(&names, source))?;
        }
        sync(&self.directory).map_err(|source| failed(&self.directory, source))?;
        state.stored.insert(sequence, stored);
        while state.stored.len() > KEPT {
            state.stored.pop_first();
        }
        state.report.newest = newest(&state.stored);
        state.report.trouble = None;
        self.remove_strangers(&state);
        drop(state);
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// The snapshot that came in whole.
    ///
    /// # Errors
    /// [`SnapshotError::File`] or [`SnapshotError::Damaged`].
    pub fn take_over(&self, part: Part, expected: Option<Digest>) -> Result<(), SnapshotError> {
        let generation = self.state().generation;
        let (path, manifest) = part.finish()?;
        self.keep(&path, Stored { manifest, expected }, generation)
    }

    /// The app has shown that it is right: from now on it is like an own one.
    ///
    /// # Errors
    /// [`SnapshotError::File`].
    pub fn confirm(&self, shown: &Stored) -> Result<(), SnapshotError> {
        let names = self.names(shown.manifest.sequence);
        let mut state = self.state();
        let stored = state.stored.get_mut(&shown.manifest.sequence);
        let open = stored.filter(|stored| stored.expected.is_some());
        let Some(stored) = open else { return Ok(()) };
        stored
            .manifest
            .write(&names)
            .map_err(|source| failed(&names, source))?;
        stored.expected = None;
        sync(&self.directory).map_err(|source| failed(&self.directory, source))
    }

    /// Gives up one that turned out to be of no use.
    pub fn discard(&self, stored: &Stored, why: &str) {
        let mut state = self.state();
        state.stored.remove(&stored.manifest.sequence);
        state.report.newest = newest(&state.stored);
        state.report.trouble = Some(why.to_owned());
        // The manifest first: without it the data are none.
        let _ = fs::remove_file(self.names(stored.manifest.sequence));
        self.remove_strangers(&state);
    }

    /// Gives up all: the app that made them was found to have diverged, nobody knows since when.
    pub fn give_up(&self) {
        let mut state = self.state();
        state.generation += 1;
        for sequence in std::mem::take(&mut state.stored).into_keys() {
            let _ = fs::remove_file(self.names(sequence));
        }
        state.report.newest = None;
        self.remove_strangers(&state);
    }

    /// Opens one to be read from its start, after checking every byte of it.
    ///
    /// # Errors
    /// [`SnapshotError::File`] or [`SnapshotError::Damaged`].
    pub fn checked(&self, manifest: &Manifest) -> Result<File, SnapshotError> {
        let path = self.data(manifest.sequence);
        let file = File::open(&path).map_err(|source| failed(&path, source))?;
        let damaged = (0..manifest.count()).any(|index| manifest.chunk_of(&file, index).is_none());
        if damaged {
            return Err(SnapshotError::Damaged { path });
        }
        Ok(file)
    }

    /// A chunk of one that is here; `None` where it is not, or damaged.
    pub fn chunk(&self, snapshot: Digest, index: u32) -> Option<Vec<u8>> {
        let stored = self.newest_first().into_iter();
        let mut held = stored.filter(|stored| stored.expected.is_none());
        let manifest = held.find(|stored| stored.manifest.digest() == snapshot)?;
        let file = File::open(self.data(manifest.manifest.sequence)).ok()?;
        manifest.manifest.chunk_of(&file, index)
    }

    /// Says that one from `sequence` on is needed, and not here.
    pub fn want(&self, sequence: Sequence) {
        self.wanted.send_replace(Some(sequence));
    }

    /// Says that none is needed any more.
    pub fn satisfied(&self) {
        self.wanted
            .send_if_modified(|wanted| wanted.take().is_some());
    }

    /// From which sequence on one is needed.
    pub fn wanted(&self) -> Option<Sequence> {
        *self.wanted.borrow()
    }

    /// Follows what comes in.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What is told of them.
    pub fn report(&self) -> SnapshotReport {
        self.state().report.clone()
    }

    /// The app was rebuilt from one.
    pub fn note_restored(&self, sequence: Sequence) {
        self.state().report.restored = Some(sequence);
    }

    /// A call was sent to the app again.
    pub fn note_replayed(&self) {
        self.state().report.replayed += 1;
    }

    /// One could not be made.
    pub fn note_trouble(&self, why: &str) {
        self.state().report.trouble = Some(why.to_owned());
    }

    /// Where the part of one lies that comes in.
    ///
    /// # Errors
    /// [`SnapshotError::File`].
    pub fn part(&self, manifest: Manifest) -> Result<Part, SnapshotError> {
        let path = self
            .directory
            .join(format!("{:020}.part", manifest.sequence.0));
        Part::open(path, manifest)
    }

    fn data(&self, sequence: Sequence) -> PathBuf {
        self.directory.join(format!("{:020}.snapshot", sequence.0))
    }

    fn names(&self, sequence: Sequence) -> PathBuf {
        self.directory.join(format!("{:020}.manifest", sequence.0))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Its values replace each other whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn newest(stored: &BTreeMap<Sequence, Stored>) -> Option<(Sequence, u64)> {
    let (sequence, newest) = stored.last_key_value()?;
    Some((*sequence, newest.manifest.bytes))
}

/// Makes names in a directory durable.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn failed(path: &Path, source: io::Error) -> SnapshotError {
    let path = path.to_owned();
    SnapshotError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(snapshots: &Arc<Snapshots>, sequence: u64, bytes: &[u8]) -> Manifest {
        let mut writer = snapshots.begin(Sequence(sequence), sequence * 10).unwrap();
        writer.write(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn sequences(snapshots: &Snapshots) -> Vec<u64> {
        let stored = snapshots.newest_first();
        stored.iter().map(|it| it.manifest.sequence.0).collect()
    }

    #[test]
    fn the_newest_two_are_kept_across_restarts_and_cover_what_the_older_one_does() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Arc::new(Snapshots::open(directory.path().join("snapshots")).unwrap());
        let snapshots = open();
        assert_eq!(snapshots.covered(), None);
        for sequence in [8, 16, 24] {
            store(&snapshots, sequence, b"state");
        }
        assert_eq!(sequences(&snapshots), [24, 16]);
        assert_eq!(snapshots.covered(), Some(Sequence(16)));
        let again = open();
        assert_eq!(again.newest_first(), snapshots.newest_first());
        let files = fs::read_dir(directory.path().join("snapshots")).unwrap();
        assert_eq!(files.count(), 4);
    }

    #[test]
    fn one_without_a_manifest_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let snapshots = Arc::new(Snapshots::open(directory.path().to_owned()).unwrap());
        store(&snapshots, 8, b"state");
        fs::remove_file(snapshots.names(Sequence(8))).unwrap();
        drop(snapshots);
        let snapshots = Snapshots::open(directory.path().to_owned()).unwrap();
        assert!(sequences(&snapshots).is_empty());
        assert!(!snapshots.data(Sequence(8)).exists());
    }

    #[test]
    fn a_damaged_one_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let snapshots = Arc::new(Snapshots::open(directory.path().to_owned()).unwrap());
        let manifest = store(&snapshots, 8, b"state");
        snapshots.checked(&manifest).unwrap();
        fs::write(snapshots.data(Sequence(8)), b"stale").unwrap();
        let error = snapshots.checked(&manifest).unwrap_err();
        assert!(matches!(error, SnapshotError::Damaged { .. }), "{error}");
        assert_eq!(snapshots.chunk(manifest.digest(), 0), None);
    }

    #[test]
    fn what_is_being_written_when_all_are_given_up_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let snapshots = Arc::new(Snapshots::open(directory.path().to_owned()).unwrap());
        let mut writer = snapshots.begin(Sequence(16), 1).unwrap();
        store(&snapshots, 8, b"state");
        snapshots.give_up();
        writer.write(b"wrong").unwrap();
        writer.finish().unwrap();
        assert!(sequences(&snapshots).is_empty());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_comes_over_in_chunks_in_any_order_and_goes_on_after_a_restart() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let source = Arc::new(Snapshots::open(from.path().to_owned()).unwrap());
        let bytes: Vec<u8> = (0..u8::MAX).cycle().take(3 * CHUNK_BYTES + 5).collect();
        let manifest = store(&source, 8, &bytes);
        let target = Snapshots::open(to.path().to_owned()).unwrap();
        let mut part = target.part(manifest.clone()).unwrap();
        assert_eq!(part.missing(), [0, 1, 2, 3]);
        let chunk = |index| source.chunk(manifest.digest(), index).unwrap();
        assert!(!part.put(2, &chunk(1)).unwrap(), "another chunk's bytes");
        assert!(part.put(3, &chunk(3)).unwrap() && part.put(1, &chunk(1)).unwrap());
        drop(part);
        let target = Snapshots::open(to.path().to_owned()).unwrap();
        let mut part = target.part(manifest.clone()).unwrap();
        assert_eq!(part.missing(), [0, 2]);
        assert!(part.put(0, &chunk(0)).unwrap() && part.put(2, &chunk(2)).unwrap());
        target.take_over(part, None).unwrap();
        assert_eq!(target.newest_first(), source.newest_first());
        let whole = fs::read(target.data(Sequence(8))).unwrap();
        assert_eq!(whole, bytes);
    }
}
