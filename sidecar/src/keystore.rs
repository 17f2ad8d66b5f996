//! The three secret keys of a replica: made where they live, readable by their owner only.
//!
//! Each file holds the base64 of 32 seed bytes and has mode 0400. Keys are never overwritten:
//! a replica with another key is another member.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use byzantine_proof::{Member, ReplicaId, SecretKey};
use zeroize::Zeroizing;

/// base64 of 32 bytes, and a line feed.
const MAX_FILE_BYTES: u64 = 45;

/// The files of the three keys.
const KEYS: [&str; 3] = ["vote.key", "cosigner.key", "link.key"];

/// Why keys cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// A key file cannot be read.
    #[error("cannot read the key {}: {source}; correct `keys`, or restore it from a copy: a key \
        that a membership names cannot be made again. `byz keygen` makes those of a new replica",
        path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read a key.
    #[error("the key {} has mode {mode:04o}: others may have read it; if nobody did, \
        `chmod 0400` it, else make the replica a new member", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file holds no key.
    #[error("the key {} is not the base64 of 32 bytes; restore it from a copy: it cannot be \
        made again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// A key file cannot be written.
    #[error("cannot write the key {}: {source}; existing keys are never overwritten, so choose \
        an empty directory", path.display())]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no randomness.
    #[error("the system gave no random bytes: {source}; this host cannot make keys")]
    Randomness {
        /// What it said.
        source: getrandom::Error,
    },
}

/// The secret keys of one replica.
#[derive(Debug, Clone)]
pub struct Keystore {
    /// Signs the messages of the agreement.
    pub vote: SecretKey,
    /// Signs checkpoints; one per service and epoch.
    pub cosigner: SecretKey,
    /// Identifies the replica in TLS.
    pub link: SecretKey,
}

impl Keystore {
    /// Makes three keys in `directory`, which is created if needed with mode 0700.
    ///
    /// # Errors
    /// [`KeystoreError::Unwritable`], also when a key is there already, or
    /// [`KeystoreError::Randomness`].
    pub fn generate(directory: &Path) -> Result<Self, KeystoreError> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(directory);
        made.map_err(|source| unwritable(directory, source))?;
        let key = |name| generate(&directory.join(name));
        Ok(Self {
            vote: key("vote.key")?,
            cosigner: key("cosigner.key")?,
            link: key("link.key")?,
        })
    }

    /// Reads the three keys.
    ///
    /// # Errors
    /// [`KeystoreError::Unreadable`], [`KeystoreError::Exposed`] or [`KeystoreError::Malformed`].
    pub fn load(directory: &Path) -> Result<Self, KeystoreError> {
        let key = |name| load(&directory.join(name));
        Ok(Self {
            vote: key("vote.key")?,
            cosigner: key("cosigner.key")?,
            link: key("link.key")?,
        })
    }

    /// Takes from the group what the kubelet gives to it whenever it mounts a volume for a pod with
    /// an `fsGroup`: that group is this pod's own. What others may read is left to [`Self::load`].
    ///
    /// # Errors
    /// [`KeystoreError::Unreadable`].
    pub fn withhold_from_group(directory: &Path) -> Result<(), KeystoreError> {
        for name in KEYS {
            let path = directory.join(name);
            let narrowed = withhold_from_group(&path);
            narrowed.map_err(|source| KeystoreError::Unreadable { path, source })?;
        }
        Ok(())
    }

    /// The public halves, as a membership lists them.
    pub fn member(&self, id: ReplicaId) -> Member {
        Member {
            id,
            vote: self.vote.public_key(),
            cosigner: self.cosigner.public_key(),
            link: self.link.public_key(),
        }
    }
}

fn withhold_from_group(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o070 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & !0o070))
}

fn generate(path: &Path) -> Result<SecretKey, KeystoreError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|source| KeystoreError::Randomness { source })?;
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(*seed)));
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o400);
    let mut file = options
        .open(path)
        .map_err(|source| unwritable(path, source))?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|source| unwritable(path, source))?;
    Ok(SecretKey::from_seed(&seed))
}

fn load(path: &Path) -> Result<SecretKey, KeystoreError> {
    let unreadable = |source| KeystoreError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let malformed = || KeystoreError::Malformed {
        path: path.to_owned(),
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(KeystoreError::Exposed { path, mode });
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(malformed());
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
    let mut seed = Zeroizing::new([0; 32]);
    // One byte more than needed, so that a longer key is told from a fitting one.
    let mut decoded = Zeroizing::new([0; 36]);
    let length = STANDARD.decode_slice(text.trim_end_matches('\n'), &mut *decoded);
    if length != Ok(seed.len()) {
        return Err(malformed());
    }
    seed.copy_from_slice(&decoded[..32]);
    Ok(SecretKey::from_seed(&seed))
}

fn unwritable(path: &Path, source: io::Error) -> KeystoreError {
    let path = path.to_owned();
    KeystoreError::Unwritable { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let generated = Keystore::generate(&path).unwrap();
        let loaded = Keystore::load(&path).unwrap();
        assert_eq!(generated.member(ReplicaId(1)), loaded.member(ReplicaId(1)));
        let mode = fs::metadata(path.join("vote.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o400);
        let again = Keystore::generate(&path);
        assert!(matches!(again, Err(KeystoreError::Unwritable { .. })));
    }

    #[test]
    fn exposed_and_broken_keys_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        Keystore::generate(directory.path()).unwrap();
        let path = directory.path().join("link.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        let exposed = Keystore::load(directory.path());
        assert!(matches!(
            exposed,
            Err(KeystoreError::Exposed { mode: 0o440, .. })
        ));
        for bad in ["", "short\n", &"A".repeat(44), &"A".repeat(4000)] {
            fs::remove_file(&path).unwrap();
            fs::write(&path, bad).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
            let broken = Keystore::load(directory.path());
            assert!(
                matches!(broken, Err(KeystoreError::Malformed { .. })),
                "{bad}"
            );
        }
    }
}
