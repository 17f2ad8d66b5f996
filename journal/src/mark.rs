//! The 32-byte marks that frame a group: where it opens, where it was committed, what was synced.
//!
//! Layout, little-endian: kind (4 letters), crc32c of the rest and the kind, salt, start, end.
//! Every mark names its place and its segment's salt, so one that a broken disk moved, or that
//! someone hid in a record, is never taken for real.

/// Bytes of an encoded [`Mark`].
pub(crate) const MARK_BYTES: usize = 32;

/// The segment's unforeseeable number, carried by all its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt(pub(crate) u64);

/// What a mark says about the bytes from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkKind {
    /// Everything before here is synced; start and end are the mark's own offset.
    Seal,
    /// A group begins here.
    Open,
    /// The group ends here.
    Commit,
}

/// One mark; offsets are bytes from the start of the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) kind: MarkKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Mark {
    /// The seal that belongs at `offset`.
    pub(crate) fn seal(offset: usize) -> Self {
        Self {
            kind: MarkKind::Seal,
            start: offset,
            end: offset,
        }
    }

    /// The mark as it is written.
    pub(crate) fn encode(self, salt: Salt) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        bytes[..4].copy_from_slice(self.kind.letters());
        bytes[8..16].copy_from_slice(&salt.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&(self.start as u64).to_le_bytes());
        bytes[24..32].copy_from_slice(&(self.end as u64).to_le_bytes());
        let checksum = checksum(&bytes);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The mark at `offset`, if a valid one of this segment is there.
    pub(crate) fn at(bytes: &[u8], offset: usize, salt: Salt) -> Option<Self> {
        let bytes: &[u8; MARK_BYTES] = bytes.get(offset..)?.first_chunk()?;
        let kind = MarkKind::from_letters(&bytes[..4])?;
        let valid = number_at(bytes, 8)? == salt.0 && bytes[4..8] == checksum(bytes).to_le_bytes();
        let start = usize::try_from(number_at(bytes, 16)?).ok()?;
        let end = usize::try_from(number_at(bytes, 24)?).ok()?;
        valid.then_some(Self { kind, start, end })
    }
}

impl MarkKind {
    fn letters(self) -> &'static [u8; 4] {
        match self {
            Self::Seal => b"seal",
            Self::Open => b"open",
            Self::Commit => b"done",
        }
    }

    fn from_letters(letters: &[u8]) -> Option<Self> {
        [Self::Seal, Self::Open, Self::Commit]
            .into_iter()
            .find(|kind| kind.letters() == letters)
    }
}

/// The little-endian 64-bit number at `offset`, if the bytes reach that far.
pub(crate) fn number_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Over the kind and everything behind the checksum's own four bytes.
fn checksum(bytes: &[u8; MARK_BYTES]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..4]), &bytes[8..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(0x0123_4567_89ab_cdef);

    #[test]
    fn a_mark_is_read_back_where_it_was_put() {
        let mark = Mark {
            kind: MarkKind::Commit,
            start: 64,
            end: 1 << 40,
        };
        let mut bytes = vec![7; 24];
        bytes.extend(mark.encode(SALT));
        assert_eq!(Mark::at(&bytes, 24, SALT), Some(mark));
        assert_eq!(Mark::at(&bytes, 23, SALT), None);
        assert_eq!(Mark::at(&bytes, 25, SALT), None);
    }

    #[test]
    fn any_flipped_bit_or_another_salt_makes_it_no_mark() {
        let bytes = Mark::seal(4096).encode(SALT);
        for bit in 0..MARK_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Mark::at(&flipped, 0, SALT), None, "bit {bit}");
        }
        assert_eq!(Mark::at(&bytes, 0, Salt(SALT.0 ^ 1)), None);
    }
}
