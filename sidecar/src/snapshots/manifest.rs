//! What a snapshot consists of; its digest names all of its bytes and where it belongs.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use borsh::{BorshDeserialize, BorshSerialize};
use byzantine_consensus::Sequence;
use byzantine_proof::Digest;

/// The size of every chunk but the last, in bytes: small beside what else travels on a link.
pub const CHUNK_BYTES: usize = 256 << 10;

/// The largest snapshot in bytes.
pub const MAX_SNAPSHOT_BYTES: u64 = 1 << 30;

/// The longest manifest in bytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// A list of a snapshot's chunks.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Manifest {
    /// The multiple of K whose state it is.
    pub sequence: Sequence,
    /// The last call that the app had executed.
    pub ordinal: u64,
    /// How long it is.
    pub bytes: u64,
    /// The digests of its chunks.
    pub chunks: Vec<Digest>,
}

impl Manifest {
    /// Names the whole snapshot.
    pub fn digest(&self) -> Digest {
        Digest::tagged("byzantine-snapshot/v1", &[&self.encode()])
    }

    /// Whether as many chunks are named as the length asks for, and not too many.
    pub fn is_valid(&self) -> bool {
        let chunks = self.bytes.div_ceil(CHUNK_BYTES as u64);
        self.bytes <= MAX_SNAPSHOT_BYTES && chunks == self.chunks.len() as u64
    }

    /// How many chunks there are.
    pub fn count(&self) -> u32 {
        u32::try_from(self.chunks.len()).unwrap_or(u32::MAX)
    }

    /// The offset and length of a chunk; `None` behind the last one.
    pub fn place(&self, index: u32) -> Option<(u64, usize)> {
        let offset = u64::from(index) * CHUNK_BYTES as u64;
        let left = self.bytes.checked_sub(offset).filter(|left| *left > 0)?;
        let length = usize::try_from(left).unwrap_or(CHUNK_BYTES);
        Some((offset, length.min(CHUNK_BYTES)))
    }

    /// Whether these are the bytes of a chunk.
    pub fn is_chunk(&self, index: u32, bytes: &[u8]) -> bool {
        let place = self.place(index);
        let named = usize::try_from(index)
            .ok()
            .and_then(|at| self.chunks.get(at));
        place.is_some_and(|(_, length)| length == bytes.len()) && named == Some(&Digest::of(bytes))
    }

    /// Reads a chunk from a file; `None` where it is not what it should be.
    pub(super) fn chunk_of(&self, file: &File, index: u32) -> Option<Vec<u8>> {
        let (offset, length) = self.place(index)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset).ok()?;
        self.is_chunk(index, &bytes).then_some(bytes)
    }

    /// Writes it, with its digest, under a name that appears when all is on disk.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("manifest-new");
        let mut file = File::create(&temporary)?;
        file.write_all(self.digest().as_bytes())?;
        file.write_all(&self.encode())?;
        file.sync_all()?;
        std::fs::rename(temporary, path)
    }

    /// Reads what [`Manifest::write`] wrote; `None` where it is damaged.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let length = std::fs::metadata(path).ok()?.len();
        let bytes = (length <= MAX_MANIFEST_BYTES).then(|| std::fs::read(path))?;
        let bytes = bytes.ok()?;
        let (digest, text) = bytes.split_first_chunk::<32>()?;
        let manifest: Self = borsh::from_slice(text).ok()?;
        let sound = manifest.is_valid() && manifest.digest().as_bytes() == digest;
        sound.then_some(manifest)
    }

    fn encode(&self) -> Vec<u8> {
        // Writing to memory cannot fail.
        borsh::to_vec(self).expect("a manifest fits into memory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_with_another_number_of_chunks_is_not_valid() {
        let manifest = |bytes, chunks| Manifest {
            sequence: Sequence(8),
            ordinal: 5,
            bytes,
            chunks: vec![Digest::of(b""); chunks],
        };
        assert!(manifest(0, 0).is_valid() && manifest(1, 1).is_valid());
        let full = CHUNK_BYTES as u64;
        assert!(manifest(full, 1).is_valid() && manifest(full + 1, 2).is_valid());
        assert!(!manifest(full + 1, 1).is_valid() && !manifest(0, 1).is_valid());
        assert!(!manifest(MAX_SNAPSHOT_BYTES + 1, 4097).is_valid());
        assert_eq!(manifest(full + 1, 2).place(1), Some((full, 1)));
        assert_eq!(manifest(full, 1).place(1), None);
    }

    #[test]
    fn the_digest_sees_where_it_belongs() {
        let manifest = Manifest {
            sequence: Sequence(8),
            ordinal: 5,
            bytes: 0,
            chunks: Vec::new(),
        };
        let other = Manifest {
            ordinal: 6,
            ..manifest.clone()
        };
        assert_ne!(manifest.digest(), other.digest());
    }
}
