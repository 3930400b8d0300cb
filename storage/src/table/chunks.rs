//! Live rows: what is durable in the WAL and not yet in a Parquet file. Readers see them through
//! [`crate::Table::view`].

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use zonelake_schemas::columns::{is_null_column, live, memory_bytes, null_column};
use zonelake_schemas::{Lsn, ShardId};

/// Rows of one table and shard in the live schema, immutable.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The rows, in the order in which they were made durable.
    pub rows: RecordBatch,
    /// Shard whose WAL has them.
    pub shard: ShardId,
    /// LSN of the last record in it; all earlier rows of this table and shard are in earlier chunks or in files.
    pub last_lsn: Lsn,
    /// Memory that the rows take.
    pub bytes: usize,
    /// Minimum and maximum event time, µs.
    pub time_us: (i64, i64),
    tier: u8,
}

impl Chunk {
    /// A chunk of rows in the live schema; there is at least one.
    pub fn new(rows: RecordBatch, shard: ShardId, last_lsn: Lsn) -> Self {
        assert!(rows.num_rows() > 0, "a chunk has rows");
        let times = rows.column(live::TIME).as_primitive::<TimestampMicrosecondType>();
        let time_us = times.values().iter().fold((i64::MAX, i64::MIN), |(min, max), &t| (min.min(t), max.max(t)));
        let bytes = memory_bytes(&rows);
        let tier = if rows.num_rows() >= MERGED_ROWS_MAX { TIER_MAX } else { 0 };
        Self { rows, shard, last_lsn, bytes, time_us, tier }
    }
}

/// The chunks of one table and shard that no flush has taken yet, oldest first. Small ones are merged as they age:
/// [`MERGE_WIDTH`] neighbours of one tier become one chunk of the next, so their number grows with the logarithm of the
/// rows and a row is copied a few times at most.
#[derive(Debug, Clone, Default)]
pub struct ShardChunks {
    chunks: Vec<Arc<Chunk>>,
}

impl ShardChunks {
    /// The chunks, oldest first.
    pub fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    /// Adds the newest rows and merges what has become mergeable.
    ///
    /// # Errors
    /// Chunks are not all of `schema`.
    pub fn push(&mut self, schema: &SchemaRef, chunk: Chunk) -> Result<(), ArrowError> {
        self.chunks.push(Arc::new(chunk));
        while let Some(run) = self.mergeable_run() {
            let start = self.chunks.len() - run;
            let merged = merge(schema, &self.chunks[start..])?;
            self.chunks.truncate(start);
            self.chunks.push(Arc::new(merged));
        }
        Ok(())
    }

    /// Takes the oldest chunks, of at least `bytes_min` together where there are so many.
    pub(crate) fn take_oldest(&mut self, bytes_min: usize) -> Vec<Arc<Chunk>> {
        let mut bytes = 0;
        let more = |chunk: &&Arc<Chunk>| {
            let is_wanted = bytes < bytes_min;
            bytes += chunk.bytes;
            is_wanted
        };
        let count = self.chunks.iter().take_while(more).count();
        self.chunks.drain(..count).collect()
    }

    fn mergeable_run(&self) -> Option<usize> {
        let tier = self.chunks.last()?.tier;
        let run = self.chunks.iter().rev().take_while(|chunk| chunk.tier == tier).count();
        (tier < TIER_MAX && run >= MERGE_WIDTH).then_some(run)
    }
}

fn merge(schema: &SchemaRef, chunks: &[Arc<Chunk>]) -> Result<Chunk, ArrowError> {
    let rows = chunks.iter().map(|chunk| chunk.rows.num_rows()).sum();
    let columns = (0..schema.fields().len()).map(|index| {
        let parts: Vec<&dyn Array> = chunks.iter().map(|chunk| chunk.rows.column(index).as_ref()).collect();
        // Columns without values share one array: most rows fill few of the fields of a wide table.
        if parts.iter().all(|part| is_null_column(*part)) {
            return Ok(null_column(schema.field(index).data_type(), rows));
        }
        concat(&parts)
    });
    let rows = RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)?;
    let (tier, last) = (chunks[0].tier + 1, &chunks[chunks.len() - 1]);
    let full = rows.num_rows() >= MERGED_ROWS_MAX;
    Ok(Chunk { tier: if full { TIER_MAX } else { tier }, ..Chunk::new(rows, last.shard, last.last_lsn) })
}

/// Neighbouring chunks of one tier that make one of the next.
const MERGE_WIDTH: usize = 16;
/// A chunk of so many rows is not merged further.
const MERGED_ROWS_MAX: usize = 4_096;
/// Tier of chunks that are not merged further: 16^4 batches of one row.
const TIER_MAX: u8 = 4;
