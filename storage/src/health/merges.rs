//! Recent merges of all tables, for `system.compactions`. The last thousand are kept.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A merge that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeEntry {
    /// Table.
    pub table: String,
    /// Date of its files, days since 1970.
    pub date: i32,
    /// When it began, microseconds since 1970, UTC.
    pub started_us: i64,
    /// How long it took.
    pub took: Duration,
    /// Files that were to be merged.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes_before: u64,
    /// What became of it.
    pub outcome: MergeOutcome,
}

/// End of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeOutcome {
    /// The files are one file of so many bytes.
    Merged {
        /// Bytes of the file.
        bytes_after: u64,
    },
    /// The table's files have changed meanwhile, and it came to nothing.
    Dropped,
    /// It has failed, for this reason.
    Failed(String),
}

/// The merges that have ended last.
#[derive(Debug, Default)]
pub(crate) struct Merges(Mutex<VecDeque<MergeEntry>>);

impl Merges {
    pub(crate) fn add(&self, entry: MergeEntry) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == ENTRIES_MAX {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// All that are kept, oldest first.
    pub(crate) fn entries(&self) -> Vec<MergeEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Merges that are kept.
const ENTRIES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_merges_are_kept_oldest_first() {
        let merges = Merges::default();
        for number in 0..ENTRIES_MAX as u64 + 3 {
            merges.add(MergeEntry {
                table: "air".into(),
                date: 1,
                started_us: 0,
                took: Duration::ZERO,
                files: number,
                rows: 0,
                bytes_before: 0,
                outcome: MergeOutcome::Dropped,
            });
        }
        let entries = merges.entries();
        assert_eq!((entries.len(), entries[0].files), (ENTRIES_MAX, 3));
    }
}
