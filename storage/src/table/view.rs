//! The view of a table that a query reads: one immutable value of files and live rows, replaced in one step, so that no
//! row is seen twice and none is missed at any moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_parquet::DataFile;
use zonelake_schemas::ShardId;

use crate::table::chunks::{Chunk, ShardChunks};

/// The state of a table at a moment.
#[derive(Debug, Clone, Default)]
pub struct TableView {
    /// Version of the table log that `files` is of.
    pub log_version: i64,
    /// The Parquet files.
    pub files: Arc<Vec<Arc<DataFile>>>,
    /// Chunks that a flush is writing just now.
    pub flushing: Arc<Vec<Arc<Chunk>>>,
    /// Chunks that no flush has taken yet, by shard.
    pub live: BTreeMap<ShardId, Arc<ShardChunks>>,
}

impl TableView {
    /// All live chunks, those that are being flushed included.
    pub fn chunks(&self) -> impl Iterator<Item = &Arc<Chunk>> {
        self.flushing.iter().chain(self.live.values().flat_map(|shard| shard.chunks()))
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
