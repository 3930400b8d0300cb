//! Options of compaction.

use std::time::Duration;

/// Sizes, budgets and retention of compaction. The settings file explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionOptions {
    /// Bytes from which a file stays as it is.
    pub target_bytes: u64,
    /// Files of one size class and date that may stand next to each other; one more, and they are merged.
    pub files_max: usize,
    /// Memory that a merge may take, bytes.
    pub memory_bytes_max: usize,
    /// Time for which merged files stay on disk: statements and other programs may still read them.
    pub keep_removed: Duration,
    /// Least time between two merges of a date that are there to take out repeats.
    pub repeats_every: Duration,
}

impl Default for CompactionOptions {
    fn default() -> Self {
        Self {
            target_bytes: 256 << 20,
            files_max: 8,
            memory_bytes_max: 256 << 20,
            keep_removed: Duration::from_secs(3_600),
            repeats_every: Duration::from_secs(3_600),
        }
    }
}
