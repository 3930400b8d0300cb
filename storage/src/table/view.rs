//! The view of a table that a query reads: one immutable value of files and live rows, replaced in one step, so that no
//! row is seen twice and none is missed at any moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::error::ArrowError;
use zonelake_parquet::DataFile;
use zonelake_schemas::{Lsn, ShardId};

use crate::last::last_rows::{LastRows, LastRowsState};
use crate::rules::file_times::times_us;
use crate::rules::hidden::Hidden;
use crate::table::chunks::{Chunk, ShardChunks};
use crate::windows::live_windows::LiveWindows;

/// The state of a table at a moment.
#[derive(Debug, Clone, Default)]
pub struct TableView {
    /// Version of the table log that `files` is of.
    pub log_version: i64,
    /// The Parquet files. [`TableView::set_files`] replaces them.
    pub files: Arc<Vec<Arc<DataFile>>>,
    /// What statements do not see of them. [`TableView::set_hidden`] replaces it.
    pub hidden: Arc<Hidden>,
    /// True where one of the files has hidden rows, or may have. Files are many and change seldom; live rows are asked each time.
    hides_in_files: bool,
    /// Chunks that a flush is writing just now.
    pub flushing: Arc<Vec<Arc<Chunk>>>,
    /// Chunks that no flush has taken yet, by shard.
    pub live: BTreeMap<ShardId, Arc<ShardChunks>>,
    /// Last record of each shard whose rows are in files: whoever follows live rows and is behind it has missed some.
    pub flushed: BTreeMap<ShardId, Lsn>,
    /// Last rows of the devices, of all files and of a part of the live rows.
    pub last: Arc<LastRows>,
    /// Moments of the readings of the last hour, of the same rows.
    pub windows: Arc<LiveWindows>,
}

impl TableView {
    /// View of these files, without live rows and with nothing hidden.
    pub(crate) fn of_files(log_version: i64, files: Arc<Vec<Arc<DataFile>>>) -> Self {
        Self { log_version, files, ..Self::default() }
    }

    /// Replaces the files.
    pub fn set_files(&mut self, files: Arc<Vec<Arc<DataFile>>>) {
        self.files = files;
        self.look_into_files();
    }

    /// Replaces what is hidden.
    pub fn set_hidden(&mut self, hidden: Arc<Hidden>) {
        self.hidden = hidden;
        self.look_into_files();
    }

    fn look_into_files(&mut self) {
        let hides = |file: &Arc<DataFile>| self.hidden.in_file(file).is_some();
        self.hides_in_files = self.hidden.has_rules() && self.files.iter().any(hides);
    }

    /// All live chunks, those that are being flushed included.
    pub fn chunks(&self) -> impl Iterator<Item = &Arc<Chunk>> {
        self.flushing.iter().chain(self.live.values().flat_map(|shard| shard.chunks()))
    }

    /// The last rows of the devices, of all files and all live rows; `None` where they are not known.
    ///
    /// # Errors
    /// For live rows that are not in the live schema.
    pub fn last_rows(&self) -> Result<Option<Arc<LastRows>>, ArrowError> {
        // The last row of a device may be among those that statements do not see, until they are gone.
        if self.hides_rows() {
            return Ok(None);
        }
        let whole = self.last.folded(self.chunks())?.map_or_else(|| Arc::clone(&self.last), Arc::new);
        Ok((whole.state() == LastRowsState::Complete).then_some(whole))
    }

    /// The same whatever statements see of the rows: when a device was heard of, and not what it has said. They may not be complete.
    ///
    /// # Errors
    /// As [`TableView::last_rows`].
    pub fn heard(&self) -> Result<Arc<LastRows>, ArrowError> {
        Ok(self.last.folded(self.chunks())?.map_or_else(|| Arc::clone(&self.last), Arc::new))
    }

    /// True while rows that statements do not see are in files or in memory, or may be.
    pub fn hides_rows(&self) -> bool {
        let in_live_rows = |chunk: &Arc<Chunk>| self.hidden.in_live_rows(chunk.time_us.0).is_some();
        self.hides_in_files || self.hidden.has_rules() && self.chunks().any(in_live_rows)
    }

    /// The same of rows from a time on, µs.
    pub fn hides_rows_from(&self, from_us: i64) -> bool {
        // Bounds of times are in milliseconds.
        let reaches = |file: &DataFile| times_us(file).is_none_or(|(_, last)| last.saturating_add(1_000) >= from_us);
        let in_files = self.files.iter().any(|file| reaches(file) && self.hidden.in_file(file).is_some());
        in_files || self.hidden.in_live_rows(from_us).is_some()
    }

    /// Rows in memory.
    pub fn live_rows(&self) -> usize {
        self.chunks().map(|chunk| chunk.rows.num_rows()).sum()
    }

    /// Rows in files.
    pub fn file_rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}
