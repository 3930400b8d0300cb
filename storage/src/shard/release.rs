//! Release of segments: a segment goes once its rows are in files and the checkpoint covers its records.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use zonelake_schemas::{Lsn, TableId};
use zonelake_wal::{SegmentId, SegmentInfo};

use crate::backup::point::{SegmentPoint, WalPoint};
use crate::shard::error::ShardError;
use crate::shard::sequence_check::Streams;
use crate::shard::shard::Shard;
use crate::table::table::Table;

impl Shard {
    /// Releases the segments whose rows are all in files. Where that needs a new checkpoint that would be large beside
    /// them, they wait for more to come, as long as the WAL is within its bounds.
    ///
    /// # Errors
    /// The checkpoint cannot be written, or a segment cannot be recycled or deleted.
    pub fn release(&mut self) -> Result<(), ShardError> {
        self.drop_asides()?;
        let current = self.wal.current_segment().id;
        let done: Vec<SegmentInfo> = self
            .wal
            .segments()
            .take_while(|segment| segment.id != current && self.is_committed(segment.id))
            .copied()
            .collect();
        let uncovered: u64 =
            done.iter().filter(|segment| segment.last_lsn > self.covered).map(|segment| segment.bytes).sum();
        if uncovered > 0 && (uncovered >= self.wanted_bytes() || self.log_bytes() > self.log_bytes_max) {
            self.write_checkpoint()?;
        }
        let last = done.iter().take_while(|segment| segment.last_lsn <= self.covered).last();
        if let Some(segment) = last {
            self.wal.release_through(segment.id)?;
            self.segment_tables = self.segment_tables.split_off(&SegmentId(segment.id.0 + 1));
        }
        Ok(())
    }

    /// The WAL up to its durable end, for a back-up. `data` is the data folder.
    pub fn wal_point(&self, data: &Path) -> WalPoint {
        let folder = self.dir.strip_prefix(data).unwrap_or(&self.dir).to_string_lossy().into_owned();
        let of_earlier = self.asides.files().map(|(name, bytes)| SegmentPoint { name, bytes });
        let segments = self.wal.segment_files().map(|(name, bytes)| SegmentPoint { name, bytes });
        WalPoint { folder, segments: of_earlier.chain(segments).collect() }
    }

    /// Bytes of the segments of the WAL on disk.
    pub fn log_bytes(&self) -> u64 {
        self.wal.segments().map(|segment| segment.bytes).sum()
    }

    /// Tables that keep the oldest segment that is not in files from being released.
    pub fn tables_that_hold_the_wal(&self) -> Vec<Arc<Table>> {
        let holding = |tables: &HashMap<TableId, Lsn>| -> Vec<Arc<Table>> {
            let of_segment = tables.iter().filter_map(|(id, &last)| Some((self.tables.get(id)?, last)));
            of_segment
                .filter(|(table, last)| table.committed(self.shard) < *last)
                .map(|(table, _)| Arc::clone(table))
                .collect()
        };
        // Segments before it may wait for the checkpoint alone.
        let segments = self.segment_tables.iter().filter(|(id, _)| !self.asides.contains(**id));
        segments.map(|(_, tables)| holding(tables)).find(|tables| !tables.is_empty()).unwrap_or_default()
    }

    /// Begins with a state, in the checkpoint of a new generation of WALs.
    pub(crate) fn begin_with(&mut self, streams: Streams) -> Result<(), ShardError> {
        assert!(self.wal.current_segment().is_empty(), "a new WAL begins with the state of its streams");
        self.streams = streams;
        self.write_checkpoint()
    }

    /// Writes the state as of the last record, which is durable: batches change the state only then.
    pub(super) fn write_checkpoint(&mut self) -> Result<(), ShardError> {
        let mut state = self.streams.header(self.forward.last_us(), self.group_clock.last(), |_| true);
        state.asides = self.asides.numbers();
        let state = state.encode_to_vec();
        self.checkpoint_bytes = state.len() as u64;
        self.covered = self.wal.write_checkpoint(state)?;
        Ok(())
    }

    /// Bytes of segments for which a checkpoint is worth its writing.
    fn wanted_bytes(&self) -> u64 {
        (self.checkpoint_bytes * SEGMENTS_TO_CHECKPOINT).min(self.log_bytes_max / 2)
    }

    /// True where all rows of a segment are in files of tables, or set aside.
    pub(super) fn is_committed(&self, segment: SegmentId) -> bool {
        self.asides.contains(segment)
            || self.segment_tables.get(&segment).is_none_or(|tables| {
                tables
                    .iter()
                    .all(|(id, &last)| self.tables.get(id).is_some_and(|table| table.committed(self.shard) >= last))
            })
    }
}

/// Bytes of segments that a checkpoint frees for each of its own, at least: it adds a sixteenth to what is written.
const SEGMENTS_TO_CHECKPOINT: u64 = 16;
