//! The records that wait for one sync, laid out as they will be written.
//!
//! A group on disk: seal of what came before · open mark · records · commit mark · zeros to the end
//! of the sector. So no sector with synced records is ever written again, and the seal of a group
//! never shares a sector's fate with it. A record is its length (4), its crc32c (4) over salt,
//! offset, length and bytes, its bytes, and zeros up to a multiple of 8. The offset in the checksum
//! catches a record that a broken disk moved.

use crate::disk::SECTOR_BYTES;
use crate::mark::{MARK_BYTES, Mark, MarkKind, Salt};

/// Bytes in front of a record: its length and its checksum.
pub(crate) const RECORD_HEADER_BYTES: usize = 8;

/// Everything in a segment begins at a multiple of this many bytes.
pub(crate) const ALIGNMENT: usize = 8;

/// Room kept at the front for the seal and the open mark.
const FRONT_BYTES: usize = 2 * MARK_BYTES;

/// Records waiting to be written, in order.
#[derive(Debug)]
pub(crate) struct Group {
    bytes: Vec<u8>,
}

impl Group {
    /// A group without records.
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; FRONT_BYTES],
        }
    }

    /// Whether no record waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == FRONT_BYTES
    }

    /// How many bytes the group will take once one more record of `length` bytes is in it.
    pub(crate) fn length_with(&self, length: usize) -> usize {
        let record = RECORD_HEADER_BYTES + length.next_multiple_of(ALIGNMENT);
        (self.bytes.len() + record + MARK_BYTES).next_multiple_of(SECTOR_BYTES)
    }

    /// How many bytes the group will take as it is.
    pub(crate) fn length(&self) -> usize {
        (self.bytes.len() + MARK_BYTES).next_multiple_of(SECTOR_BYTES)
    }

    /// Adds a record whose length the caller has checked to fit 32 bits.
    pub(crate) fn push(&mut self, length: u32, record: &[u8]) {
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(record);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }

    /// Completes the group for `offset` in the segment: its final bytes, seal first.
    pub(crate) fn finish(&mut self, salt: Salt, offset: usize) -> &[u8] {
        let start = offset + MARK_BYTES;
        let end = offset + self.bytes.len() + MARK_BYTES;
        self.fill_checksums(salt, offset);
        self.bytes[..MARK_BYTES].copy_from_slice(&Mark::seal(offset).encode(salt));
        let open = Mark {
            kind: MarkKind::Open,
            start,
            end,
        };
        self.bytes[MARK_BYTES..FRONT_BYTES].copy_from_slice(&open.encode(salt));
        self.bytes.extend(
            Mark {
                kind: MarkKind::Commit,
                start,
                end,
            }
            .encode(salt),
        );
        self.bytes
            .resize(self.bytes.len().next_multiple_of(SECTOR_BYTES), 0);
        &self.bytes
    }

    /// Forgets all records, keeping the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(FRONT_BYTES);
    }

    fn fill_checksums(&mut self, salt: Salt, offset: usize) {
        let mut at = FRONT_BYTES;
        while let Some(length) = record_length(&self.bytes, at) {
            let bytes_at = at + RECORD_HEADER_BYTES;
            let checksum =
                record_checksum(salt, offset + at, &self.bytes[bytes_at..bytes_at + length]);
            self.bytes[at + 4..bytes_at].copy_from_slice(&checksum.to_le_bytes());
            at = bytes_at + length.next_multiple_of(ALIGNMENT);
        }
    }
}

/// The length that the record header at `at` states, if a header fits there.
pub(crate) fn record_length(bytes: &[u8], at: usize) -> Option<usize> {
    let header: &[u8; RECORD_HEADER_BYTES] = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*header.first_chunk()?)).ok()
}

/// The checksum of a record whose header is at `offset` in its segment.
pub(crate) fn record_checksum(salt: Salt, offset: usize, record: &[u8]) -> u32 {
    let mut place = [0; 24];
    place[..8].copy_from_slice(&salt.0.to_le_bytes());
    place[8..16].copy_from_slice(&(offset as u64).to_le_bytes());
    place[16..].copy_from_slice(&(record.len() as u64).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_length_is_known_before_it_is_finished_and_before_a_record_is_in_it() {
        for length in [0, 1, 300, 429, 470, 5000] {
            let mut group = Group::new();
            for _ in 0..3 {
                let expected = group.length_with(length);
                let stated = u32::try_from(length).expect("short");
                group.push(stated, &vec![7; length]);
                assert_eq!(group.length(), expected);
            }
            let expected = group.length();
            assert_eq!(group.finish(Salt(1), 0).len(), expected, "{length}");
        }
    }
}
