//! What is wrong with a journal that was synced and cannot be read back.

use std::fmt;

/// Where synced bytes are not what was written. The files are left as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Name of the damaged file within the journal's directory.
    pub file: String,
    /// Offset of the first byte that cannot be trusted, from the file's start.
    pub offset: u64,
    /// What is wrong there.
    pub kind: DamageKind,
}

/// In which way a synced journal is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The segment's header does not match its checksum or its name.
    Header,
    /// A synced group is unreadable, and synced bytes follow it.
    SyncedGroup,
    /// The last group was written whole, yet does not match its checksums.
    RottenTail,
    /// The segment ends before the place where the next segment says that it ended.
    ShortSegment,
    /// The segment of this name is missing.
    MissingSegment,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, kind } = self;
        write!(
            formatter,
            "journal file {file} is damaged at byte {offset}: {kind}; nothing was "
        )?;
        formatter.write_str(
            "changed. What this replica promised may be lost, so it must not vote on its old \
             word: keep the files, let it abstain and catch up from the others. Check the disk.",
        )
    }
}

impl fmt::Display for DamageKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Header => "the segment header does not match its checksum or its file name",
            Self::SyncedGroup => "synced records are unreadable and synced bytes follow them",
            Self::RottenTail => "the last group was written whole but fails its checksums",
            Self::ShortSegment => "it ends before the place where the next segment begins",
            Self::MissingSegment => "the file is missing",
        })
    }
}
