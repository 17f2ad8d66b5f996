//! Reading a journal back: find its start, check every segment, judge the tail.
//!
//! Nothing on the disk is changed before the whole journal was found sound.

use crate::damage::{Damage, DamageKind};
use crate::disk::{Disk, DiskFile};
use crate::error::{JournalError, disk_error};
use crate::limits::Limits;
use crate::sabotage::{Bug, is_on};
use crate::scan::{Prefix, Tail, judge_tail, valid_prefix};
use crate::segment::Segment;
use crate::segment_header::{HEADER_BYTES, Origin, SegmentHeader, SegmentNumber};

/// What was cut from the journal's end: bytes of records that were never synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Name of the file within the journal's directory.
    pub file: String,
    /// Offset of the first byte that was cut.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// A journal as it was read back; `segment` is `None` if there was none yet.
pub(crate) struct Recovery<F> {
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) cut: Option<TornTail>,
    pub(crate) segment: Option<Segment<F>>,
    /// The oldest segment that counts.
    pub(crate) oldest: SegmentNumber,
    /// Bytes in all segments before the last.
    pub(crate) earlier_bytes: u64,
}

/// A segment's file, opened, with its header.
struct OpenFile<F> {
    file: F,
    header: SegmentHeader,
}

/// The numbers of all segments on the disk, ascending.
pub(crate) fn segment_numbers<D: Disk>(disk: &mut D) -> Result<Vec<SegmentNumber>, JournalError> {
    let names = disk
        .list()
        .map_err(disk_error("list", "the journal's directory"))?;
    let mut numbers: Vec<_> = names
        .iter()
        .filter_map(|name| SegmentNumber::from_file_name(name))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads the journal and takes up its last segment.
pub(crate) fn recover<D: Disk>(
    disk: &mut D,
    limits: Limits,
) -> Result<Recovery<D::File>, JournalError> {
    let files = live_files(disk)?;
    let recovery = read_all(files, limits)?;
    remove_leftovers(disk, recovery.oldest)?;
    Ok(recovery)
}

/// Opens the newest base and all segments after it, ascending.
fn live_files<D: Disk>(disk: &mut D) -> Result<Vec<OpenFile<D::File>>, JournalError> {
    let mut files: Vec<OpenFile<D::File>> = Vec::new();
    for number in segment_numbers(disk)?.into_iter().rev() {
        if let Some(later) = files.last()
            && number.next() != later.header.number
        {
            break;
        }
        let file = open_file(disk, number)?;
        let base = file.header.origin == Origin::Base;
        files.push(file);
        if base {
            break;
        }
    }
    files.reverse();
    match files.first() {
        Some(first) if first.header.origin != Origin::Base => Err(missing_before(&first.header)),
        _ => Ok(files),
    }
}

fn open_file<D: Disk>(
    disk: &mut D,
    number: SegmentNumber,
) -> Result<OpenFile<D::File>, JournalError> {
    let name = number.file_name();
    let mut file = disk.open(&name).map_err(disk_error("open", &name))?;
    let length = file.length().map_err(disk_error("measure", &name))?;
    let bytes = read(&mut file, &name, length.min(HEADER_BYTES as u64))?;
    let header = SegmentHeader::decode(number, &bytes)?;
    Ok(OpenFile { file, header })
}

/// The damage that the segment before this one is not there.
fn missing_before(header: &SegmentHeader) -> JournalError {
    let missing = SegmentNumber(header.number.0.saturating_sub(1));
    damaged(missing, 0, DamageKind::MissingSegment)
}

fn read_all<F: DiskFile>(
    files: Vec<OpenFile<F>>,
    limits: Limits,
) -> Result<Recovery<F>, JournalError> {
    let oldest = files
        .first()
        .map_or(SegmentNumber(1), |file| file.header.number);
    let ends: Vec<_> = files
        .iter()
        .skip(1)
        .map(|file| file.header.origin)
        .collect();
    let mut recovery = Recovery {
        records: Vec::new(),
        cut: None,
        segment: None,
        oldest,
        earlier_bytes: 0,
    };
    for (index, file) in files.into_iter().enumerate() {
        match ends.get(index) {
            Some(Origin::Continues { previous_end }) => {
                recovery.read_closed(file, *previous_end)?;
            }
            _ => recovery.read_last(file, limits)?,
        }
    }
    Ok(recovery)
}

impl<F: DiskFile> Recovery<F> {
    /// Reads a segment that another follows, which tells where this one must end.
    fn read_closed(&mut self, mut open: OpenFile<F>, end: usize) -> Result<(), JournalError> {
        let OpenFile { header, .. } = open;
        let (_, prefix) = read_segment(&mut open)?;
        if prefix.end != end {
            return Err(damaged(header.number, prefix.end, DamageKind::ShortSegment));
        }
        self.records.extend(prefix.records);
        self.earlier_bytes += end as u64;
        Ok(())
    }

    /// Reads the last segment, cuts its torn tail, and takes it up.
    fn read_last(&mut self, mut open: OpenFile<F>, limits: Limits) -> Result<(), JournalError> {
        let header = open.header;
        let (bytes, prefix) = read_segment(&mut open)?;
        let torn_until = match judge_tail(&bytes, header.salt, prefix.end) {
            Tail::Clean => None,
            Tail::Torn { .. } if is_on(Bug::TornTailRefused) => {
                return Err(damaged(header.number, prefix.end, DamageKind::RottenTail));
            }
            Tail::Torn { until } => Some(until),
            Tail::Damaged(_) if is_on(Bug::DamageSkipped) => Some(bytes.len()),
            Tail::Damaged(kind) => return Err(damaged(header.number, prefix.end, kind)),
        };
        self.cut = torn_until.map(|until| TornTail {
            file: header.number.file_name(),
            offset: prefix.end as u64,
            bytes: (until - prefix.end) as u64,
        });
        let Prefix { records, end } = prefix;
        self.records.extend(records);
        self.segment = Some(Segment::resume(
            open.file,
            limits,
            &header,
            end,
            bytes.len(),
            torn_until,
        )?);
        Ok(())
    }
}

fn read_segment<F: DiskFile>(open: &mut OpenFile<F>) -> Result<(Vec<u8>, Prefix), JournalError> {
    let name = open.header.number.file_name();
    let length = open.file.length().map_err(disk_error("measure", &name))?;
    let bytes = read(&mut open.file, &name, length)?;
    let prefix = valid_prefix(&bytes, open.header.salt);
    Ok((bytes, prefix))
}

fn read<F: DiskFile>(file: &mut F, name: &str, length: u64) -> Result<Vec<u8>, JournalError> {
    let too_long = |_| std::io::Error::from(std::io::ErrorKind::FileTooLarge);
    let length = usize::try_from(length)
        .map_err(too_long)
        .map_err(disk_error("read", name))?;
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes)
        .map_err(disk_error("read", name))?;
    Ok(bytes)
}

fn damaged(number: SegmentNumber, offset: usize, kind: DamageKind) -> JournalError {
    JournalError::Damaged(Damage {
        file: number.file_name(),
        offset: offset as u64,
        kind,
    })
}

/// Removes unfinished segments, and those older than the journal's start.
pub(crate) fn remove_leftovers<D: Disk>(
    disk: &mut D,
    oldest: SegmentNumber,
) -> Result<(), JournalError> {
    let names = disk
        .list()
        .map_err(disk_error("list", "the journal's directory"))?;
    let stale = |name: &&String| {
        name.ends_with(SegmentNumber::DRAFT_SUFFIX)
            || SegmentNumber::from_file_name(name).is_some_and(|number| number < oldest)
    };
    let stale: Vec<_> = names.iter().filter(stale).collect();
    for name in &stale {
        disk.remove(name).map_err(disk_error("remove", name))?;
    }
    match stale.first() {
        Some(name) => disk
            .sync_directory()
            .map_err(disk_error("sync the directory of", name)),
        None => Ok(()),
    }
}
