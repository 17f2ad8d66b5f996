//! The journal: append, sync, compact.

use crate::disk::Disk;
use crate::error::{JournalError, disk_error};
use crate::group::Group;
use crate::limits::Limits;
use crate::recovery::{TornTail, recover, remove_leftovers, segment_numbers};
use crate::segment::Segment;
use crate::segment_header::{Origin, SegmentNumber};

/// A group of base records is written once it has this many bytes.
const BASE_GROUP_BYTES: usize = 4 << 20;

/// How the names of segments put aside by [`Journal::start_over`] end.
const ASIDE_SUFFIX: &str = ".damaged";

/// A write-ahead log on a disk of its own.
#[derive(Debug)]
pub struct Journal<D: Disk> {
    disk: D,
    limits: Limits,
    segment: Segment<D::File>,
    group: Group,
    /// Bytes in the segments before the current one.
    earlier_bytes: u64,
    /// Whether a write failed midway, so that only reading back can tell what is on the disk.
    closed: bool,
}

/// What a journal held when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// All records, in the order of their appends, from the last compaction on.
    pub records: Vec<Vec<u8>>,
    /// Whether there was one: its base comes first then, and what that left out is gone.
    pub compacted: bool,
    /// What was cut from the end because it was never synced.
    pub cut: Option<TornTail>,
}

impl<D: Disk> Journal<D> {
    /// Opens the journal, or begins one on an empty disk. All records returned are durable.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if synced bytes cannot be read back; nothing is then changed.
    /// [`JournalError::UnsupportedVersion`], or [`JournalError::Disk`].
    pub fn open(mut disk: D, limits: Limits) -> Result<(Self, Recovered), JournalError> {
        let recovery = recover(&mut disk, limits)?;
        let segment = match recovery.segment {
            Some(segment) => segment,
            None => base_segment(
                &mut disk,
                limits,
                SegmentNumber(1),
                std::iter::empty::<&[u8]>(),
            )?,
        };
        let mut journal = Self::on(disk, limits, segment);
        journal.earlier_bytes = recovery.earlier_bytes;
        Ok((
            journal,
            Recovered {
                records: recovery.records,
                compacted: recovery.oldest > SegmentNumber(1),
                cut: recovery.cut,
            },
        ))
    }

    /// Begins anew on the disk of a damaged journal: `base` becomes all that it holds, at one
    /// stroke, and the old segments are kept under other names. The base must say that this
    /// replica abstains, since what it promised is lost.
    ///
    /// # Errors
    /// As [`Journal::compact`]; the damaged journal is then still the one that `open` finds.
    pub fn start_over<R: AsRef<[u8]>>(
        mut disk: D,
        limits: Limits,
        base: impl IntoIterator<Item = R>,
    ) -> Result<Self, JournalError> {
        let damaged = segment_numbers(&mut disk)?;
        let number = damaged.last().map_or(SegmentNumber(1), |last| last.next());
        let segment = base_segment(&mut disk, limits, number, base)?;
        for old in damaged {
            let name = old.file_name();
            let aside = format!("{name}{ASIDE_SUFFIX}");
            disk.rename(&name, &aside)
                .map_err(disk_error("rename", &name))?;
        }
        remove_leftovers(&mut disk, number)?;
        disk.sync_directory()
            .map_err(disk_error("sync", "the journal's directory"))?;
        Ok(Self::on(disk, limits, segment))
    }

    /// Buffers a record. It is neither durable nor on the disk before [`Journal::sync`] returns.
    ///
    /// # Errors
    /// [`JournalError::RecordTooLong`], or [`JournalError::GroupFull`] if too much is buffered.
    pub fn append(&mut self, record: &[u8]) -> Result<(), JournalError> {
        push(&mut self.group, self.limits, record)
    }

    /// Makes all buffered records durable: one write, one fdatasync. Nothing buffered: no work.
    ///
    /// # Errors
    /// [`JournalError::Disk`], after which the journal is [`JournalError::Closed`]: a disk that
    /// failed one sync may report success for the next without having written anything.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.closed {
            return Err(JournalError::Closed);
        }
        if self.group.is_empty() {
            return Ok(());
        }
        self.closed = true;
        self.roll_if_full()?;
        self.segment.write_group(&mut self.group)?;
        self.segment.sync_and_seal()?;
        self.closed = false;
        Ok(())
    }

    /// Replaces everything written so far by `base`: a fresh segment is written, synced, and made
    /// the journal's start at one stroke; a crash at any point leaves the old records or the new.
    /// Records that are buffered stay buffered and will follow the base.
    ///
    /// # Errors
    /// [`JournalError::Disk`] or [`JournalError::RecordTooLong`]. If the fresh segment could not
    /// be written the journal goes on as it was; if it failed later it is [`JournalError::Closed`].
    pub fn compact<R: AsRef<[u8]>>(
        &mut self,
        base: impl IntoIterator<Item = R>,
    ) -> Result<(), JournalError> {
        if self.closed {
            return Err(JournalError::Closed);
        }
        let number = self.segment.number().next();
        let mut segment = base_draft(&mut self.disk, self.limits, number, base)?;
        self.closed = true;
        segment.publish(&mut self.disk)?;
        self.segment = segment;
        self.earlier_bytes = 0;
        remove_leftovers(&mut self.disk, number)?;
        self.closed = false;
        Ok(())
    }

    /// Bytes written since the journal's start, framing included: what an open has to read.
    pub fn bytes(&self) -> u64 {
        self.earlier_bytes + self.segment.end() as u64
    }

    fn on(disk: D, limits: Limits, segment: Segment<D::File>) -> Self {
        Self {
            disk,
            limits,
            segment,
            group: Group::new(),
            earlier_bytes: 0,
            closed: false,
        }
    }

    /// Begins the next segment if this one has something in it and cannot take the group.
    fn roll_if_full(&mut self) -> Result<(), JournalError> {
        let end = self.segment.end();
        let next_end = (end + self.group.length()) as u64;
        if self.segment.is_empty() || next_end <= self.limits.segment_bytes {
            return Ok(());
        }
        let number = self.segment.number().next();
        let origin = Origin::Continues { previous_end: end };
        let mut segment = Segment::draft(&mut self.disk, self.limits, number, origin)?;
        segment.publish(&mut self.disk)?;
        self.segment = segment;
        self.earlier_bytes += end as u64;
        Ok(())
    }
}

/// Adds a record to a group, within the limits.
fn push(group: &mut Group, limits: Limits, record: &[u8]) -> Result<(), JournalError> {
    let too_long = || JournalError::RecordTooLong {
        length: record.len(),
        limit: limits.record_bytes,
    };
    let length = u32::try_from(record.len()).map_err(|_| too_long())?;
    if length > limits.record_bytes {
        return Err(too_long());
    }
    if group.length_with(record.len()) as u64 > u64::from(limits.group_bytes) {
        return Err(JournalError::GroupFull {
            limit: limits.group_bytes,
        });
    }
    group.push(length, record);
    Ok(())
}

/// A published segment that holds the base records and starts the journal.
fn base_segment<D: Disk, R: AsRef<[u8]>>(
    disk: &mut D,
    limits: Limits,
    number: SegmentNumber,
    base: impl IntoIterator<Item = R>,
) -> Result<Segment<D::File>, JournalError> {
    let mut segment = base_draft(disk, limits, number, base)?;
    segment.publish(disk)?;
    Ok(segment)
}

/// A segment with the base records, still under its draft name and not synced.
fn base_draft<D: Disk, R: AsRef<[u8]>>(
    disk: &mut D,
    limits: Limits,
    number: SegmentNumber,
    base: impl IntoIterator<Item = R>,
) -> Result<Segment<D::File>, JournalError> {
    let mut segment = Segment::draft(disk, limits, number, Origin::Base)?;
    let mut group = Group::new();
    for record in base {
        let length = record.as_ref().len();
        let full = group.length_with(length);
        if !group.is_empty() && (full > BASE_GROUP_BYTES || full > limits.group_bytes as usize) {
            segment.write_group(&mut group)?;
        }
        push(&mut group, limits, record.as_ref())?;
    }
    if !group.is_empty() {
        segment.write_group(&mut group)?;
    }
    Ok(segment)
}
