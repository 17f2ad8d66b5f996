//! The bounds of a journal's buffers and files.

/// How large a journal lets things grow. They bound writing only: what was written under larger
/// limits is still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest record, in bytes.
    pub record_bytes: u32,
    /// Most bytes that may wait for one `sync`, framing included.
    pub group_bytes: u32,
    /// A segment that has reached this many bytes is followed by a new one.
    pub segment_bytes: u64,
}

impl Default for Limits {
    /// Records to 16 MiB, groups to 64 MiB, segments of 64 MiB.
    fn default() -> Self {
        Self {
            record_bytes: 16 << 20,
            group_bytes: 64 << 20,
            segment_bytes: 64 << 20,
        }
    }
}
