//! Replay of a shard's WAL: the state of its streams, and the rows that are not in files yet.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use zonelake_schemas::clock::ForwardClock;
use zonelake_schemas::{
    BatchNumber, DeviceKey, Epoch, GroupClock, GroupSequence, Lane, Lsn, ProducerId, RegistryMarks, ShardId,
    ShardNumber, StreamKey, TableId,
};
use zonelake_wal::{Disk, ReplayedRecord, SegmentContext, SegmentId, TornTail, read_aside};

use crate::shard::asides::Asides;
use crate::shard::error::ShardError;
use crate::shard::record::header::{BatchHeader, RecordHeader, decode_header};
use crate::shard::record::rows::{check_marks, decode_rows, device_key_max, split_rows};
use crate::shard::request_keys::RequestKey;
use crate::shard::sequence_check::{SequenceCheck, SequencedBatch, Streams};
use crate::shard::stamped_rows::live_rows;
use crate::table::chunks::Chunk;
use crate::table::table::Table;

/// Findings of a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Records read.
    pub records: u64,
    /// Rows that were not in files yet, and are live again.
    pub rows: u64,
    /// A torn tail that was dropped: never acknowledged.
    pub torn: Option<TornTail>,
}

/// A replay on its way through the records.
pub(super) struct Replay<'a> {
    pub(super) shard: ShardId,
    pub(super) shard_number: ShardNumber,
    pub(super) tables: &'a BTreeMap<TableId, Arc<Table>>,
    /// Maximum ids of the registry; no record may refer to others.
    pub(super) marks: RegistryMarks,
    pub(super) forward: &'a ForwardClock,
    pub(super) group_clock: &'a GroupClock,
    /// State up to `covered`, from the checkpoint, and then of the records behind it.
    pub(super) streams: Streams,
    pub(super) covered: Lsn,
    pub(super) segment_tables: BTreeMap<SegmentId, HashMap<TableId, Lsn>>,
    /// What is set aside, which is read before the segments.
    pub(super) asides: Asides,
    pub(super) found: Replayed,
    pub(super) now: Duration,
}

impl Replay<'_> {
    /// Takes in the next record.
    pub(super) fn handle_record(&mut self, record: &ReplayedRecord<'_>) -> Result<(), ShardError> {
        let unreadable = |source| ShardError::record(self.shard, record, source);
        let (header, rest) = decode_header(record.payload).map_err(unreadable)?;
        self.found.records += 1;
        if let Some(batch) = &header.batch {
            self.handle_rows(record, batch, rest, Source::Segment)?;
        }
        // The checkpoint has what the record has done to the state; only its rows may still be wanted.
        if record.lsn > self.covered {
            self.handle_state(&header);
        }
        Ok(())
    }

    /// Reads what is set aside of these segments, oldest first.
    pub(super) fn read_asides(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        own: &SegmentContext,
        segments: &[u64],
    ) -> Result<(), ShardError> {
        for id in segments {
            let aside = read_aside(disk, dir, SegmentId(*id), &mut |record| self.handle_set_aside(&record))?;
            aside.check(dir, self.shard, own)?;
            self.asides.note_file(&aside);
        }
        Ok(())
    }

    /// Takes in the next record that is set aside. What it has done to the state is in the checkpoint.
    fn handle_set_aside(&mut self, record: &ReplayedRecord<'_>) -> Result<(), ShardError> {
        let unreadable = |source| ShardError::record(self.shard, record, source);
        let (header, rest) = decode_header(record.payload).map_err(unreadable)?;
        self.found.records += 1;
        match &header.batch {
            Some(batch) => self.handle_rows(record, batch, rest, Source::SetAside),
            None => Ok(()),
        }
    }

    fn handle_state(&mut self, header: &RecordHeader) {
        if let Some(streams) = &header.streams {
            self.streams.restore(streams);
            self.forward.at_least(streams.ingested_at_us);
        }
        // A fence is durable before its stream is opened: earlier epochs stay fenced after a crash too.
        if let Some(fence) = &header.fence {
            self.streams.begin_epoch(ProducerId(fence.producer), Epoch(fence.epoch));
        }
        if let Some(request) = &header.request {
            let principal = request.principal();
            for key in &request.keys {
                let request = RequestKey { principal, key: key.key(), digest: key.digest };
                self.streams.keys.replay(&request, key.at_us);
            }
        }
        if let Some(sequenced) = header.batch.as_ref().and_then(sequenced)
            && self.streams.classify(&sequenced) == SequenceCheck::Next
        {
            self.streams.advance(&sequenced);
        }
    }

    fn handle_rows(
        &mut self,
        record: &ReplayedRecord<'_>,
        batch: &BatchHeader,
        mut rest: &[u8],
        source: Source,
    ) -> Result<(), ShardError> {
        let (shard, lsn) = (self.shard, record.lsn);
        let unreadable = |source| ShardError::record(shard, record, source);
        let sequence = GroupSequence(batch.sequence);
        let mut found = Vec::new();
        self.forward.at_least(batch.ingested_at_us);
        self.group_clock.at_least(sequence);
        check_marks(&self.marks, &batch.marks()).map_err(unreadable)?;
        for rows in [&batch.stored, &batch.rejected].into_iter().flatten() {
            let (own, behind) = split_rows(rest, rows).map_err(unreadable)?;
            rest = behind;
            let id = TableId(rows.table);
            let table = self.tables.get(&id).filter(|table| rows.version() <= table.registered.version);
            let table = table.ok_or_else(|| unreadable(rows.unknown_table()))?;
            // A segment that is set aside and still there has its rows twice, until it is released.
            let is_known = lsn <= table.committed(shard) || source == Source::Segment && self.asides.covers(lsn);
            match source {
                Source::Segment => {
                    self.segment_tables.entry(record.segment).or_default().insert(id, lsn);
                }
                Source::SetAside if is_known => {}
                Source::SetAside => found.push(id),
            }
            if is_known {
                // The rows are in files already: they must not be visible twice.
                continue;
            }
            let read = decode_rows(own, rows, &table.registered.schemas.log).map_err(unreadable)?;
            // Records of version 1 do not say their keys in the header.
            let device_key = DeviceKey(device_key_max(&read));
            check_marks(&self.marks, &RegistryMarks { device_key, ..RegistryMarks::NONE }).map_err(unreadable)?;
            self.found.rows += read.num_rows() as u64;
            let live = live_rows(&table.registered, &read, batch.ingested_at_us)?;
            let chunk = Chunk::new(live, (shard, self.shard_number), lsn, sequence);
            table.note_event_times(self.forward, chunk.time_us.1);
            table.publish(vec![chunk], self.now)?;
        }
        for id in found {
            self.asides.note(record.segment, id, lsn, record.payload.len() as u64);
        }
        Ok(())
    }
}

/// Where a record is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Segment,
    SetAside,
}

fn sequenced(batch: &BatchHeader) -> Option<SequencedBatch> {
    if batch.producer == 0 {
        return None;
    }
    Some(SequencedBatch {
        producer: ProducerId(batch.producer),
        epoch: Epoch(batch.epoch),
        stream: StreamKey { table: TableId(batch.table), lane: Lane::from_number(batch.lane)? },
        number: BatchNumber(batch.number),
        digest: batch.digest,
    })
}
