//! The first 64 bytes of a segment, and the names of segment files.
//!
//! The header has the first sector to itself. Layout, little-endian: magic (8), crc32c of the
//! rest (4), version (4), number (8), salt (8), base flag (8), end of the previous segment (8),
//! zeros. The checksum's place is the same in all versions, so that a flipped version bit is
//! told from another version.

use crate::damage::{Damage, DamageKind};
use crate::disk::SECTOR_BYTES;
use crate::error::JournalError;
use crate::mark::{Salt, number_at};

/// Bytes of an encoded [`SegmentHeader`].
pub(crate) const HEADER_BYTES: usize = 64;

/// Where the first group begins: the sector after the header's.
pub(crate) const RECORDS_START: usize = SECTOR_BYTES;

/// The journal format that this crate reads and writes.
pub(crate) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"BYZJRNL\n";
const SUFFIX: &str = ".segment";

/// The place of a segment in the journal; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentNumber(pub(crate) u64);

impl SegmentNumber {
    /// The segment's file name once it belongs to the journal.
    pub(crate) fn file_name(self) -> String {
        format!("{:016}{SUFFIX}", self.0)
    }

    /// The segment's file name while it is being prepared.
    pub(crate) fn draft_name(self) -> String {
        format!("{:016}{}", self.0, Self::DRAFT_SUFFIX)
    }

    /// The number in a segment's file name; `None` for other files.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        let number = Self(name.strip_suffix(SUFFIX)?.parse().ok()?);
        (number.file_name() == name).then_some(number)
    }

    /// The next segment's number.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// How the names of unfinished segments end.
    pub(crate) const DRAFT_SUFFIX: &str = ".segment-draft";
}

/// How a segment relates to the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The journal starts here; whatever is older no longer counts.
    Base,
    /// It follows the previous segment, whose synced end is repeated here.
    Continues {
        /// End of the previous segment, in bytes from its start.
        previous_end: usize,
    },
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: SegmentNumber,
    pub(crate) salt: Salt,
    pub(crate) origin: Origin,
}

impl SegmentHeader {
    /// The header as it is written.
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let (base, previous_end) = match self.origin {
            Origin::Base => (1_u64, 0),
            Origin::Continues { previous_end } => (0, previous_end as u64),
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[12..16].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&base.to_le_bytes());
        bytes[40..48].copy_from_slice(&previous_end.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header of segment `number` from the bytes its file begins with.
    pub(crate) fn decode(number: SegmentNumber, bytes: &[u8]) -> Result<Self, JournalError> {
        let damaged = || {
            let file = number.file_name();
            JournalError::Damaged(Damage {
                file,
                offset: 0,
                kind: DamageKind::Header,
            })
        };
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or_else(damaged)?;
        let checksum = crc32c::crc32c(&bytes[12..]).to_le_bytes();
        if &bytes[..8] != MAGIC || bytes[8..12] != checksum {
            return Err(damaged());
        }
        let found = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        if found != VERSION {
            let file = number.file_name();
            return Err(JournalError::UnsupportedVersion {
                file,
                found,
                supported: VERSION,
            });
        }
        Self::decode_fields(number, bytes).ok_or_else(damaged)
    }

    fn decode_fields(number: SegmentNumber, bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let previous_end = usize::try_from(number_at(bytes, 40)?).ok()?;
        let origin = match number_at(bytes, 32)? {
            0 => Origin::Continues { previous_end },
            _ => Origin::Base,
        };
        let salt = Salt(number_at(bytes, 24)?);
        (number_at(bytes, 16)? == number.0).then_some(Self {
            number,
            salt,
            origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        let origin = Origin::Continues { previous_end: 4711 };
        SegmentHeader {
            number: SegmentNumber(3),
            salt: Salt(99),
            origin,
        }
    }

    #[test]
    fn a_draft_has_a_name_of_its_own_by_which_it_is_found_and_is_no_segment() {
        let [name, other] = [3, 4].map(|number| SegmentNumber(number).draft_name());
        assert!(name.ends_with(SegmentNumber::DRAFT_SUFFIX) && name != other);
        assert_eq!(SegmentNumber::from_file_name(&name), None);
    }

    #[test]
    fn a_header_is_read_back() {
        let decoded = SegmentHeader::decode(SegmentNumber(3), &header().encode());
        assert_eq!(decoded.expect("just encoded"), header());
    }

    #[test]
    fn any_flipped_bit_is_damage_and_never_another_version() {
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = header().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let refusal = SegmentHeader::decode(SegmentNumber(3), &bytes);
            assert!(
                matches!(refusal, Err(JournalError::Damaged(_))),
                "bit {bit}: {refusal:?}"
            );
        }
    }

    #[test]
    fn another_version_and_another_segments_header_are_refused() {
        let mut bytes = header().encode();
        bytes[12] = 2;
        let checksum = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        let refusal = SegmentHeader::decode(SegmentNumber(3), &bytes);
        assert!(matches!(
            refusal,
            Err(JournalError::UnsupportedVersion { found: 2, .. })
        ));
        let refusal = SegmentHeader::decode(SegmentNumber(4), &header().encode());
        assert!(matches!(refusal, Err(JournalError::Damaged(_))));
    }

    #[test]
    fn only_our_own_file_names_are_segments() {
        let name = SegmentNumber(12).file_name();
        assert_eq!(
            SegmentNumber::from_file_name(&name),
            Some(SegmentNumber(12))
        );
        for other in [
            "12.segment",
            "lock",
            "+000000000000012.segment",
            "x.segment",
            "",
        ] {
            assert_eq!(SegmentNumber::from_file_name(other), None, "{other}");
        }
        assert_eq!(
            SegmentNumber::from_file_name(&SegmentNumber(12).draft_name()),
            None
        );
    }
}
