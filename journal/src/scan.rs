//! Reading a segment: its valid groups, and a judgement on what follows them.
//!
//! A valid prefix ends at the first group that is not whole. What follows is damage if anything
//! behind it proves that it had been synced: a seal further on; or, where the crash took the seal,
//! a last group with every sector written that still fails its checksums (a torn write leaves
//! sectors of zeros, since segments are filled with zeros ahead of their records). Else it is torn.

use crate::damage::DamageKind;
use crate::disk::SECTOR_BYTES;
use crate::group::{ALIGNMENT, RECORD_HEADER_BYTES, record_checksum, record_length};
use crate::mark::{MARK_BYTES, Mark, MarkKind, Salt};
use crate::segment_header::RECORDS_START;

/// The groups of a segment that read back whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// All records, in order.
    pub(crate) records: Vec<Vec<u8>>,
    /// Where the last whole group ends, in bytes from the segment's start.
    pub(crate) end: usize,
}

/// What follows the valid prefix of the last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing.
    Clean,
    /// Bytes that were never synced, up to this offset.
    Torn { until: usize },
    /// Bytes that had been synced and are not what was written.
    Damaged(DamageKind),
}

/// Reads all groups from the start of the segment until one is not whole.
pub(crate) fn valid_prefix(bytes: &[u8], salt: Salt) -> Prefix {
    let mut prefix = Prefix {
        records: Vec::new(),
        end: RECORDS_START,
    };
    while let Some((mut records, end)) = read_group(bytes, salt, prefix.end) {
        prefix.records.append(&mut records);
        prefix.end = end;
    }
    prefix
}

/// Judges what follows the valid prefix that ends at `end`.
pub(crate) fn judge_tail(bytes: &[u8], salt: Salt, end: usize) -> Tail {
    let written = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let mut rotten = false;
    for offset in (end + ALIGNMENT..written).step_by(ALIGNMENT) {
        match Mark::at(bytes, offset, salt) {
            Some(mark) if mark == Mark::seal(offset) => {
                return Tail::Damaged(DamageKind::SyncedGroup);
            }
            Some(mark) => rotten |= commits_written_group(bytes, mark, offset, end),
            None => {}
        }
    }
    if rotten {
        Tail::Damaged(DamageKind::RottenTail)
    } else if written > end + MARK_BYTES {
        Tail::Torn { until: written }
    } else {
        // A torn seal alone is no loss: it only repeated what the valid group says.
        Tail::Clean
    }
}

/// The records of the group whose seal is at `offset`, and its end; `None` if it is not whole.
fn read_group(bytes: &[u8], salt: Salt, offset: usize) -> Option<(Vec<Vec<u8>>, usize)> {
    let start = offset + MARK_BYTES;
    let seal = Mark::at(bytes, offset, salt)?;
    let open = Mark::at(bytes, start, salt)?;
    let body_end = open.end.checked_sub(MARK_BYTES)?;
    let commit = Mark::at(bytes, body_end, salt)?;
    let whole = seal == Mark::seal(offset)
        && open
            == Mark {
                kind: MarkKind::Open,
                start,
                ..open
            }
        && commit
            == Mark {
                kind: MarkKind::Commit,
                ..open
            };
    if !whole {
        return None;
    }
    let records = read_records(bytes, salt, start + MARK_BYTES, body_end)?;
    Some((records, open.end.next_multiple_of(SECTOR_BYTES)))
}

/// The records that fill the bytes between two offsets exactly.
fn read_records(bytes: &[u8], salt: Salt, start: usize, end: usize) -> Option<Vec<Vec<u8>>> {
    let body = bytes.get(..end)?;
    let mut records = Vec::new();
    let mut at = start;
    while at < end {
        let record = read_record(body, salt, at)?;
        at += RECORD_HEADER_BYTES + record.len().next_multiple_of(ALIGNMENT);
        records.push(record.to_vec());
    }
    (at == end).then_some(records)
}

/// The record whose header is at `offset`, if its checksum holds and its padding is zeros.
fn read_record(body: &[u8], salt: Salt, offset: usize) -> Option<&[u8]> {
    let length = record_length(body, offset)?;
    let padded = length.next_multiple_of(ALIGNMENT);
    let bytes = body.get(offset + RECORD_HEADER_BYTES..)?.get(..padded)?;
    let (record, padding) = bytes.split_at(length);
    let checksum = record_checksum(salt, offset, record).to_le_bytes();
    let valid = body[offset + 4..offset + RECORD_HEADER_BYTES] == checksum
        && padding.iter().all(|byte| *byte == 0);
    valid.then_some(record)
}

/// Whether this is the commit mark of the group expected behind `end`, and all its sectors were
/// written.
fn commits_written_group(bytes: &[u8], mark: Mark, offset: usize, end: usize) -> bool {
    let expected = Mark {
        kind: MarkKind::Commit,
        start: end + MARK_BYTES,
        end: offset + MARK_BYTES,
    };
    // The seal may stand alone from the sync before, so its part of a sector proves nothing.
    mark == expected
        && every_sector_written(bytes, end, expected.start)
        && every_sector_written(bytes, expected.start, expected.end)
}

/// Whether no sector's part of these bytes is all zeros.
fn every_sector_written(bytes: &[u8], start: usize, end: usize) -> bool {
    let mut at = start;
    while at < end {
        let next = (at + 1).next_multiple_of(SECTOR_BYTES).min(end);
        if bytes[at..next].iter().all(|byte| *byte == 0) {
            return false;
        }
        at = next;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Group;

    const SALT: Salt = Salt(42);

    /// A segment of two groups, the second `length` bytes of 7; and where each group ends.
    fn segment(length: u32) -> (Vec<u8>, usize, usize) {
        let mut bytes = vec![1; RECORDS_START];
        for record in [vec![5; 20], vec![7; length as usize]] {
            let mut group = Group::new();
            group.push(u32::try_from(record.len()).expect("short"), &record);
            let at = bytes.len();
            bytes.extend(group.finish(SALT, at));
        }
        let first = RECORDS_START + SECTOR_BYTES;
        let second = bytes.len();
        bytes.resize(second + 4096, 0);
        (bytes, first, second)
    }

    #[test]
    fn whole_groups_are_read_in_order_and_the_tail_is_clean() {
        let (bytes, _, end) = segment(2000);
        let prefix = valid_prefix(&bytes, SALT);
        assert_eq!(
            prefix,
            Prefix {
                records: vec![vec![5; 20], vec![7; 2000]],
                end
            }
        );
        assert_eq!(judge_tail(&bytes, SALT, end), Tail::Clean);
    }

    #[test]
    fn a_missing_sector_is_torn_and_a_changed_one_is_rotten() {
        let (bytes, first, second) = segment(2000);
        let mut torn = bytes.clone();
        torn[1536..2048].fill(0);
        assert_eq!(valid_prefix(&torn, SALT).end, first);
        let tail = judge_tail(&torn, SALT, first);
        assert!(
            matches!(tail, Tail::Torn { until } if until > second - SECTOR_BYTES),
            "{tail:?}"
        );
        let mut rotten = bytes;
        rotten[1600] ^= 4;
        assert_eq!(
            judge_tail(&rotten, SALT, first),
            Tail::Damaged(DamageKind::RottenTail)
        );
    }

    #[test]
    fn a_seal_behind_a_torn_looking_group_proves_damage() {
        let (mut bytes, first, second) = segment(2000);
        bytes[second..second + MARK_BYTES].copy_from_slice(&Mark::seal(second).encode(SALT));
        bytes[1536..2048].fill(0);
        let tail = judge_tail(&bytes, SALT, first);
        assert_eq!(tail, Tail::Damaged(DamageKind::SyncedGroup));
    }

    #[test]
    fn records_that_changed_places_are_refused() {
        let mut group = Group::new();
        group.push(504, &[5; 504]);
        group.push(504, &[7; 504]);
        let mut bytes = vec![1; RECORDS_START];
        bytes.extend(group.finish(SALT, RECORDS_START));
        assert_eq!(valid_prefix(&bytes, SALT).records.len(), 2);
        let (first, second) = bytes[RECORDS_START + 2 * MARK_BYTES..].split_at_mut(512);
        first.swap_with_slice(&mut second[..512]);
        assert_eq!(valid_prefix(&bytes, SALT).end, RECORDS_START);
    }

    #[test]
    fn a_cut_at_any_byte_is_torn_and_never_read() {
        let (bytes, first, second) = segment(2000);
        for cut in first + MARK_BYTES + 1..second {
            let mut torn = bytes.clone();
            torn[cut..].fill(0);
            if torn == bytes {
                break;
            }
            assert_eq!(valid_prefix(&torn, SALT).end, first, "cut at {cut}");
            assert!(
                matches!(judge_tail(&torn, SALT, first), Tail::Torn { .. }),
                "cut at {cut}"
            );
        }
    }
}
