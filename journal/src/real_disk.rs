//! A directory of the file system, locked against other processes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile};
use crate::error::{JournalError, disk_error};

const LOCK_FILE: &str = "lock";

/// A directory that belongs to this process until the value is dropped.
#[derive(Debug)]
pub struct RealDisk {
    directory: PathBuf,
    /// Open on the directory itself, for syncing it.
    handle: File,
    /// Holds the lock; the system releases it when the process ends, however it ends.
    _lock: File,
}

impl RealDisk {
    /// Takes the directory, creating it if need be.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another process has it, [`JournalError::Disk`] if it cannot be
    /// created or read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let directory = path.as_ref().to_owned();
        let name = directory.display().to_string();
        create_directory(&directory).map_err(disk_error("create the directory", &name))?;
        let handle = File::open(&directory).map_err(disk_error("open the directory", &name))?;
        let lock = lock(&directory)?;
        Ok(Self {
            directory,
            handle,
            _lock: lock,
        })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Disk for RealDisk {
    type File = File;

    fn list(&mut self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.directory)?
            .map(|entry| Ok(entry?.file_name().into_string().ok()))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(names.into_iter().flatten().collect())
    }

    fn create(&mut self, name: &str) -> io::Result<File> {
        let path = self.directory.join(name);
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
    }

    fn open(&mut self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.directory.join(name))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.directory.join(from), self.directory.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.directory.join(name))
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn nonce(&mut self) -> io::Result<u64> {
        getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
    }
}

impl DiskFile for File {
    fn length(&mut self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        // The inherent method: fdatasync.
        File::sync_data(self)
    }
}

/// Creates the directory and syncs its parent, without which its name might not survive a crash.
fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    match directory.canonicalize()?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Locks the directory and writes this process's number down for whoever finds it locked.
fn lock(directory: &Path) -> Result<File, JournalError> {
    let path = directory.join(LOCK_FILE);
    let name = path.display().to_string();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(disk_error("open", &name))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            return Err(JournalError::Locked {
                directory: directory.to_owned(),
                holder,
            });
        }
        Err(TryLockError::Error(error)) => return Err(disk_error("lock", &name)(error)),
    }
    file.set_len(0).map_err(disk_error("write to", &name))?;
    writeln!(file, "{}", std::process::id()).map_err(disk_error("write to", &name))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_the_directory() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("deep/journal");
        let first = RealDisk::open(&path).expect("nobody else has it");
        let refusal = RealDisk::open(&path).expect_err("it is held");
        let text = refusal.to_string();
        assert!(
            text.contains(&format!("in use by process {}", std::process::id())),
            "{text}"
        );
        drop(first);
        RealDisk::open(&path).expect("it was released");
    }

    #[test]
    fn no_two_segments_have_the_same_salt() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let mut disk = RealDisk::open(root.path()).expect("nobody else has it");
        let [first, second] = [(); 2].map(|()| disk.nonce().expect("there is chance"));
        assert_ne!(first, second);
    }

    /// The operating system refuses to sync what is no file on a disk: so it was asked.
    #[test]
    fn a_sync_is_the_operating_systems() {
        let mut nowhere = File::open("/dev/null").expect("every Unix has it");
        DiskFile::sync_data(&mut nowhere).expect_err("nothing to sync there");
    }

    #[test]
    fn a_file_in_the_directorys_place_is_named_in_the_error() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("occupied");
        fs::write(&path, "x").expect("a small file");
        let text = RealDisk::open(&path)
            .expect_err("not a directory")
            .to_string();
        assert!(
            text.contains("occupied") && text.contains("cannot"),
            "{text}"
        );
    }
}
