//! The write-ahead log of a replica: segments, checksums, group commit.
