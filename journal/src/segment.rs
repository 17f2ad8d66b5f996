//! The segment being written: one group after the other, sealed once synced.
//!
//! A segment becomes part of the journal by being renamed from its draft name when all of it is
//! synced, so a segment without a valid header is always damage. It grows by stretches of zeros
//! ahead of its records: syncing into written space needs no metadata and is measurably faster.

use crate::disk::{Disk, DiskFile};
use crate::error::{JournalError, disk_error};
use crate::group::Group;
use crate::limits::Limits;
use crate::mark::{MARK_BYTES, Mark, Salt};
use crate::sabotage::{Bug, is_on};
use crate::segment_header::{Origin, RECORDS_START, SegmentHeader, SegmentNumber};

/// How far a segment is filled with zeros ahead of its records, in bytes.
const STRETCH_BYTES: usize = 256 << 10;

/// The same for journals with smaller segments than that, at least.
const SMALLEST_STRETCH_BYTES: u64 = 4 << 10;

static ZEROS: [u8; STRETCH_BYTES] = [0; STRETCH_BYTES];

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment<F> {
    file: F,
    number: SegmentNumber,
    salt: Salt,
    stretch: usize,
    end: usize,
    filled: usize,
}

impl<F: DiskFile> Segment<F> {
    /// Creates a segment under its draft name, with nothing but a header.
    pub(crate) fn draft<D: Disk<File = F>>(
        disk: &mut D,
        limits: Limits,
        number: SegmentNumber,
        origin: Origin,
    ) -> Result<Self, JournalError> {
        let name = number.draft_name();
        let salt = Salt(
            disk.nonce()
                .map_err(disk_error("draw a random number for", &name))?,
        );
        let file = disk.create(&name).map_err(disk_error("create", &name))?;
        let mut segment = Self {
            file,
            number,
            salt,
            stretch: stretch(limits),
            end: RECORDS_START,
            filled: 0,
        };
        let header = SegmentHeader {
            number,
            salt,
            origin,
        }
        .encode();
        segment.write(0, &header)?;
        segment.fill_ahead()?;
        Ok(segment)
    }

    /// Takes up an existing segment at the end of its valid groups, clearing what was torn.
    pub(crate) fn resume(
        file: F,
        limits: Limits,
        header: &SegmentHeader,
        end: usize,
        filled: usize,
        torn_until: Option<usize>,
    ) -> Result<Self, JournalError> {
        let SegmentHeader { number, salt, .. } = *header;
        let mut segment = Self {
            file,
            number,
            salt,
            stretch: stretch(limits),
            end,
            filled,
        };
        if let Some(until) = torn_until {
            segment.write_zeros(end, until)?;
        }
        // Records that were never synced are about to be acted upon: sync them first.
        segment.sync()?;
        segment.write_seal()?;
        Ok(segment)
    }

    /// Makes the draft part of the journal: durable, then renamed, then the name durable.
    pub(crate) fn publish<D: Disk>(&mut self, disk: &mut D) -> Result<(), JournalError> {
        self.sync()?;
        self.write_seal()?;
        let name = self.number.file_name();
        disk.rename(&self.number.draft_name(), &name)
            .map_err(disk_error("rename", &name))?;
        disk.sync_directory()
            .map_err(disk_error("sync the directory of", &name))
    }

    /// Writes a group without syncing it, and empties it.
    pub(crate) fn write_group(&mut self, group: &mut Group) -> Result<(), JournalError> {
        let bytes = group.finish(self.salt, self.end);
        let offset = self.end as u64;
        let number = self.number;
        self.file
            .write_at(offset, bytes)
            .map_err(|error| disk_error("write to", &number.file_name())(error))?;
        self.end += bytes.len();
        group.clear();
        self.fill_ahead()
    }

    /// Makes all groups durable, then seals them: the seal itself is left for the next sync or
    /// the operating system to write, so it costs no second one.
    pub(crate) fn sync_and_seal(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        self.write_seal()
    }

    /// Where the last group ends, in bytes from the segment's start.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Whether no group was written yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.end == RECORDS_START
    }

    /// The segment's place in the journal.
    pub(crate) fn number(&self) -> SegmentNumber {
        self.number
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        if is_on(Bug::SyncSkipped) {
            return Ok(());
        }
        let number = self.number;
        self.file
            .sync_data()
            .map_err(|error| disk_error("sync", &number.file_name())(error))
    }

    fn write_seal(&mut self) -> Result<(), JournalError> {
        let seal = Mark::seal(self.end).encode(self.salt);
        self.write(self.end, &seal)
    }

    /// Fills with zeros once the records, or the seal behind them, have reached the filled part.
    fn fill_ahead(&mut self) -> Result<(), JournalError> {
        let needed = self.end + MARK_BYTES;
        if needed <= self.filled {
            return Ok(());
        }
        let filled = (needed + 1).next_multiple_of(self.stretch);
        self.write_zeros(self.end, filled)?;
        self.filled = filled;
        Ok(())
    }

    fn write_zeros(&mut self, start: usize, end: usize) -> Result<(), JournalError> {
        let mut at = start;
        while at < end {
            let length = (end - at).min(STRETCH_BYTES);
            self.write(at, &ZEROS[..length])?;
            at += length;
        }
        Ok(())
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), JournalError> {
        let number = self.number;
        self.file
            .write_at(offset as u64, bytes)
            .map_err(|error| disk_error("write to", &number.file_name())(error))
    }
}

/// How far to fill ahead: not beyond what a segment may hold.
fn stretch(limits: Limits) -> usize {
    let bytes = limits
        .segment_bytes
        .clamp(SMALLEST_STRETCH_BYTES, STRETCH_BYTES as u64);
    usize::try_from(bytes).unwrap_or(STRETCH_BYTES)
}
