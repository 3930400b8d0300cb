//! Replay of a shard's WAL: the state of its streams, and the rows that are not in files yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use zonelake_schemas::clock::ForwardClock;
use zonelake_schemas::{
    BatchNumber, Epoch, GatewayId, Lane, Lsn, ProducerId, SchemaVersion, ShardId, StreamKey, TableId,
};
use zonelake_wal::{ReplayedRecord, SegmentId, TornTail};

use crate::shard::error::ShardError;
use crate::shard::record::error::RecordError;
use crate::shard::record::header::{BatchHeader, decode_header};
use crate::shard::record::rows::decode_rows;
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
    pub(super) tables: &'a BTreeMap<TableId, Arc<Table>>,
    pub(super) forward: &'a ForwardClock,
    pub(super) streams: Streams,
    pub(super) segment_tables: BTreeMap<SegmentId, HashMap<TableId, Lsn>>,
    pub(super) found: Replayed,
    pub(super) now: Duration,
}

impl Replay<'_> {
    /// Takes in the next record.
    pub(super) fn handle_record(&mut self, record: &ReplayedRecord<'_>) -> Result<(), ShardError> {
        let (shard, segment, lsn) = (self.shard, record.segment, record.lsn);
        let unreadable = |source| ShardError::Record { shard, segment, lsn, source };
        let (header, rest) = decode_header(record.payload).map_err(unreadable)?;
        self.found.records += 1;
        if let Some(streams) = &header.streams {
            self.streams.restore(streams);
            self.forward.at_least(streams.ingested_at_us);
        }
        // A fence is durable before its stream is opened: earlier epochs stay fenced after a crash too.
        if let Some(fence) = &header.fence {
            self.streams.begin_epoch(ProducerId(fence.producer), Epoch(fence.epoch));
        }
        for key in header.request.iter().flat_map(|request| &request.keys) {
            let gateway = GatewayId(header.request.as_ref().map_or(0, |request| request.gateway));
            self.streams.keys.replay(&RequestKey { gateway, key: key.key(), digest: key.digest }, key.at_us);
        }
        if let Some(batch) = &header.batch {
            self.handle_batch(record, batch, rest)?;
        }
        Ok(())
    }

    fn handle_batch(
        &mut self,
        record: &ReplayedRecord<'_>,
        batch: &BatchHeader,
        mut rest: &[u8],
    ) -> Result<(), ShardError> {
        let (shard, segment, lsn) = (self.shard, record.segment, record.lsn);
        let unreadable = |source| ShardError::Record { shard, segment, lsn, source };
        self.forward.at_least(batch.ingested_at_us);
        if let Some(sequenced) = sequenced(batch)
            && self.streams.classify(&sequenced) == SequenceCheck::Next
        {
            self.streams.advance(&sequenced);
        }
        for rows in [&batch.stored, &batch.rejected].into_iter().flatten() {
            let bytes = usize::try_from(rows.bytes).unwrap_or(usize::MAX);
            let (own, behind) = rest
                .split_at_checked(bytes)
                .ok_or_else(|| unreadable(RecordError::Short { need: rows.bytes, have: rest.len() as u64 }))?;
            rest = behind;
            let (id, version) = (TableId(rows.table), SchemaVersion(rows.schema_version));
            let unknown = ShardError::UnknownTable { shard, lsn, table: id, version };
            let Some(table) = self.tables.get(&id).filter(|table| version <= table.registered.version) else {
                return Err(unknown);
            };
            self.segment_tables.entry(segment).or_default().insert(id, lsn);
            if lsn <= table.committed(shard) {
                // The rows are in files already: they must not be visible twice.
                continue;
            }
            let read = decode_rows(own, rows, &table.registered.schemas.log).map_err(unreadable)?;
            self.found.rows += read.num_rows() as u64;
            let live = live_rows(&table.registered, &read, batch.ingested_at_us)?;
            table.publish(vec![Chunk::new(live, shard, lsn)], self.now)?;
        }
        Ok(())
    }
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
