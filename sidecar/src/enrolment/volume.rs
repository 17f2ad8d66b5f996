//! What a replica keeps of its own: keys and membership, each written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use byzantine_proof::{Membership, ReplicaId, ServiceName};

use super::obstacle::Obstacle;
use crate::keystore::{Keystore, KeystoreError};

/// Keys and membership of one replica, and what they must fit.
pub(super) struct Volume {
    pub(super) keys: PathBuf,
    pub(super) membership: PathBuf,
    pub(super) service: ServiceName,
    pub(super) replica: ReplicaId,
    pub(super) members: usize,
}

impl Volume {
    /// The membership learned earlier.
    pub(super) fn membership(&self) -> Result<Option<Membership>, Obstacle> {
        let path = &self.membership;
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(unusable(path, source)),
        };
        let parsed = Membership::parse(&text);
        parsed
            .map(Some)
            .map_err(|source| Obstacle::MembershipDamaged {
                path: path.clone(),
                source,
            })
    }

    /// The keys of a replica that is a member: they are never made anew.
    pub(super) fn keys_of_member(&self) -> Result<Keystore, Obstacle> {
        match self.load() {
            Err(Obstacle::Keys(KeystoreError::Unreadable { source, .. }))
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Err(Obstacle::KeysLost {
                    directory: self.keys.clone(),
                    replica: self.replica,
                })
            }
            loaded => loaded,
        }
    }

    /// The keys, made at the first call.
    pub(super) fn keys(&self) -> Result<Keystore, Obstacle> {
        if !self.keys.exists() {
            self.make()?;
        }
        self.load()
    }

    /// Beside their place first: a crash in between leaves nothing that anybody has used.
    fn make(&self) -> Result<(), Obstacle> {
        let beside = beside(&self.keys);
        match fs::remove_dir_all(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unusable(&beside, error));
            }
            _ => {}
        }
        Keystore::generate(&beside)?;
        let moved = fs::rename(&beside, &self.keys).and_then(|()| sync_directory_of(&self.keys));
        moved.map_err(|source| unusable(&self.keys, source))
    }

    fn load(&self) -> Result<Keystore, Obstacle> {
        Keystore::withhold_from_group(&self.keys)?;
        Ok(Keystore::load(&self.keys)?)
    }

    /// Whether membership, keys and configuration belong together.
    pub(super) fn check(&self, membership: &Membership, keys: &Keystore) -> Result<(), Obstacle> {
        let own = keys.member(self.replica);
        let what = if *membership.service() != self.service {
            "it is another service's"
        } else if membership.n() != self.members {
            "it has not as many members as there are peers"
        } else if membership.member(self.replica) != Some(&own) {
            "it lists other keys for this replica than those on the volume"
        } else {
            return Ok(());
        };
        let path = self.membership.clone();
        Err(Obstacle::ForeignMembership { path, what })
    }

    /// Keeps the membership for all later starts.
    pub(super) fn keep(&self, membership: &Membership) -> Result<(), Obstacle> {
        let path = &self.membership;
        let text = membership.to_text();
        write_atomically(path, text.as_bytes()).map_err(|source| unusable(path, source))
    }
}

fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_directory_of(path)
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn unusable(path: &Path, source: io::Error) -> Obstacle {
    let path = path.to_owned();
    Obstacle::Volume { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use byzantine_proof::Member;

    use super::*;

    fn volume(directory: &Path) -> Volume {
        Volume {
            keys: directory.join("keys"),
            membership: directory.join("membership"),
            service: ServiceName::parse("wallet.bank.cluster.local").unwrap(),
            replica: ReplicaId(1),
            members: 4,
        }
    }

    fn membership(volume: &Volume, own: &Keystore) -> Membership {
        let members = (0..4).map(|id| match ReplicaId(id) {
            id if id == volume.replica => own.member(id),
            id => stranger(id),
        });
        Membership::new(volume.service.clone(), 0, 1, 3, members.collect()).unwrap()
    }

    fn stranger(id: ReplicaId) -> Member {
        let directory = tempfile::tempdir().unwrap();
        Keystore::generate(&directory.path().join("keys"))
            .unwrap()
            .member(id)
    }

    #[test]
    fn keys_are_made_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let volume = volume(directory.path());
        // What a crash left behind.
        Keystore::generate(&directory.path().join("keys.new")).unwrap();
        let made = volume.keys().unwrap().member(ReplicaId(1));
        assert_eq!(volume.keys().unwrap().member(ReplicaId(1)), made);
        assert!(!directory.path().join("keys.new").exists());
    }

    #[test]
    fn modes_that_the_kubelet_widened_are_narrowed() {
        let directory = tempfile::tempdir().unwrap();
        let volume = volume(directory.path());
        volume.keys().unwrap();
        let key = volume.keys.join("vote.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o660)).unwrap();
        assert!(volume.keys().is_ok());
        assert_eq!(
            fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&key, fs::Permissions::from_mode(0o664)).unwrap();
        assert!(matches!(
            volume.keys(),
            Err(Obstacle::Keys(KeystoreError::Exposed { .. }))
        ));
    }

    #[test]
    fn a_membership_is_read_back_and_a_damaged_one_refused() {
        let directory = tempfile::tempdir().unwrap();
        let volume = volume(directory.path());
        assert!(volume.membership().unwrap().is_none());
        let keys = volume.keys().unwrap();
        let membership = membership(&volume, &keys);
        volume.keep(&membership).unwrap();
        assert_eq!(volume.membership().unwrap(), Some(membership));
        fs::write(&volume.membership, "byzantine-membership/v1\n").unwrap();
        let damaged = volume.membership();
        assert!(matches!(damaged, Err(Obstacle::MembershipDamaged { .. })));
    }

    #[test]
    fn lost_keys_of_a_member_are_not_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let volume = volume(directory.path());
        let lost = volume.keys_of_member();
        assert!(matches!(lost, Err(Obstacle::KeysLost { .. })));
        assert!(!volume.keys.exists());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mut volume = volume(directory.path());
        let keys = volume.keys().unwrap();
        let membership = membership(&volume, &keys);
        assert!(volume.check(&membership, &keys).is_ok());
        volume.replica = ReplicaId(2);
        assert!(volume.check(&membership, &keys).is_err());
        volume.replica = ReplicaId(1);
        volume.members = 5;
        assert!(volume.check(&membership, &keys).is_err());
    }
}
