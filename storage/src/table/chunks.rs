//! Live rows: what is durable in the WAL and not yet in a Parquet file. Readers see them through
//! [`crate::Table::view`].

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch};
use arrow::compute::concat;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use zonelake_schemas::columns::{is_null_column, live, memory_bytes, null_column};
use zonelake_schemas::{GroupSequence, Lsn, RowOrigin, ShardId, ShardNumber};

/// Rows of one table and shard in the live schema, immutable.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The rows, in the order in which they were made durable.
    pub rows: RecordBatch,
    /// Shard whose WAL has them.
    pub shard: ShardId,
    /// Number of that shard over all nodes.
    pub shard_number: ShardNumber,
    /// Where the rows come from, in their order: record by record, all rows together.
    pub origins: Vec<RowOrigin>,
    /// LSN of the last record in it; all earlier rows of this table and shard are in earlier chunks or in files.
    pub last_lsn: Lsn,
    /// Memory that the rows take.
    pub bytes: usize,
    /// Minimum and maximum event time, µs.
    pub time_us: (i64, i64),
    tier: u8,
}

impl Chunk {
    /// A chunk of the rows of one record, in the live schema; there is at least one.
    ///
    /// # Panics
    /// Where there is no row, or more of them than a record can have.
    pub fn new(
        rows: RecordBatch,
        (shard, shard_number): (ShardId, ShardNumber),
        lsn: Lsn,
        sequence: GroupSequence,
    ) -> Self {
        let count = u32::try_from(rows.num_rows()).expect("a record has fewer rows than 2^32");
        Self::of_records(rows, (shard, shard_number), vec![RowOrigin { lsn, sequence, rows: count }])
    }

    /// The columns of [`zonelake_schemas::identity::COLUMNS`] of some of its rows.
    pub fn identities(&self, rows: Range<usize>) -> [ArrayRef; 4] {
        let (mut lsns, mut places, mut sequences) = (Vec::new(), Vec::new(), Vec::new());
        let mut first = 0;
        for origin in &self.origins {
            let end = first + origin.rows as usize;
            for row in first.max(rows.start)..end.min(rows.end) {
                lsns.push(origin.lsn.0.cast_signed());
                places.push(i32::try_from(row - first).expect("a record has fewer rows than 2^31"));
                sequences.push(origin.sequence.0.cast_signed());
            }
            first = end;
        }
        let shard = Int64Array::from_value(self.shard_number.0.cast_signed(), lsns.len());
        [
            Arc::new(shard),
            Arc::new(Int64Array::from(lsns)),
            Arc::new(Int32Array::from(places)),
            Arc::new(Int64Array::from(sequences)),
        ]
    }

    fn of_records(rows: RecordBatch, (shard, shard_number): (ShardId, ShardNumber), origins: Vec<RowOrigin>) -> Self {
        assert!(rows.num_rows() > 0, "a chunk has rows");
        let counted: usize = origins.iter().map(|origin| origin.rows as usize).sum();
        assert!(counted == rows.num_rows(), "every row comes from one record");
        let last_lsn = origins.last().expect("a chunk has rows, and each a record").lsn;
        let times = rows.column(live::TIME).as_primitive::<TimestampMicrosecondType>();
        let time_us = times.values().iter().fold((i64::MAX, i64::MIN), |(min, max), &t| (min.min(t), max.max(t)));
        let bytes = memory_bytes(&rows) + size_of_val(origins.as_slice());
        let tier = if rows.num_rows() >= MERGED_ROWS_MAX || bytes >= MERGED_BYTES_MAX { TIER_MAX } else { 0 };
        Self { rows, shard, shard_number, origins, last_lsn, bytes, time_us, tier }
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
    let origins = chunks.iter().flat_map(|chunk| chunk.origins.iter().copied()).collect();
    let merged = Chunk::of_records(rows, (chunks[0].shard, chunks[0].shard_number), origins);
    Ok(Chunk { tier: merged.tier.max(chunks[0].tier + 1), ..merged })
}

/// Neighbouring chunks of one tier that make one of the next.
const MERGE_WIDTH: usize = 16;
/// A chunk of so many rows is not merged further.
const MERGED_ROWS_MAX: usize = 4_096;
/// A chunk of so many bytes is not merged further: Arrow could not address the text of sixteen times as much for long.
const MERGED_BYTES_MAX: usize = 16 << 20;
/// Tier of chunks that are not merged further: 16^4 batches of one row.
const TIER_MAX: u8 = 4;
