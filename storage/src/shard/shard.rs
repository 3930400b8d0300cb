//! One shard: the single writer of its WAL. It checks sequence numbers, makes a group of batches durable with one sync,
//! and publishes their rows to queries. It has no thread and no queue of its own: `zonelake-ingest` drives it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use zonelake_schemas::clock::{Clock, ForwardClock};
use zonelake_schemas::{BatchNumber, Epoch, Lsn, ProducerId, ShardId, StreamKey, TableId};
use zonelake_wal::{Disk, ReplayedRecord, SegmentId, Wal, WalOptions};

use crate::shard::entry::{Entry, HEADER_BYTES_MAX, Outcome, batch_header};
use crate::shard::error::ShardError;
use crate::shard::record::header::{FenceHeader, GatewayKeysHeader, KeyHeader, RecordHeader, encode_header};
use crate::shard::replay::{Replay, Replayed};
use crate::shard::request_keys::{KeyCheck, KeyLimits, RequestKey};
use crate::shard::sequence_check::{GroupSequences, SequenceCheck, Streams};
use crate::shard::stamped_rows::live_rows;
use crate::table::chunks::Chunk;
use crate::table::table::Table;

/// Inputs of [`Shard::open`].
pub(crate) struct ShardArgs {
    /// Number of the shard.
    pub shard: ShardId,
    /// Folder of the WAL.
    pub dir: PathBuf,
    /// Size of a segment.
    pub segment_bytes: u64,
    /// First LSN where the WAL is empty.
    pub start_lsn: Lsn,
    /// Disk below the WAL.
    pub disk: Arc<dyn Disk>,
    /// Tables by number.
    pub tables: Arc<BTreeMap<TableId, Arc<Table>>>,
    /// The table of what was rejected, which is one of them.
    pub rejected: Arc<Table>,
    /// Clock for deadlines and `ingested_at`.
    pub clock: Arc<dyn Clock>,
    /// The latest `ingested_at` of all shards.
    pub forward: Arc<ForwardClock>,
}

/// The writer of one shard.
#[derive(Debug)]
pub struct Shard {
    shard: ShardId,
    wal: Wal,
    streams: Streams,
    tables: Arc<BTreeMap<TableId, Arc<Table>>>,
    rejected: Arc<Table>,
    /// Last LSN of each table in each segment: a segment goes when all of them are in files.
    segment_tables: BTreeMap<SegmentId, HashMap<TableId, Lsn>>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    forward: Arc<ForwardClock>,
    key_limits: KeyLimits,
}

impl Shard {
    /// Opens the WAL and replays what is not in files yet.
    pub(crate) fn open(args: ShardArgs) -> Result<(Self, Replayed), ShardError> {
        let ShardArgs { shard, dir, segment_bytes, start_lsn, disk, tables, rejected, clock, forward } = args;
        let mut replay = Replay {
            shard,
            tables: &tables,
            forward: &forward,
            streams: Streams::default(),
            segment_tables: BTreeMap::new(),
            found: Replayed::default(),
            now: clock.monotonic(),
        };
        let options = WalOptions { start_lsn, segment_bytes, ..WalOptions::new(&dir, shard) };
        let (wal, summary) =
            Wal::open(Arc::clone(&disk), options, &mut |record: ReplayedRecord<'_>| replay.handle_record(&record))?;
        let Replay { streams, segment_tables, mut found, .. } = replay;
        found.torn = summary.torn;
        for table in tables.values() {
            let (next, committed) = (wal.next_lsn(), table.committed(shard));
            if committed >= next {
                return Err(ShardError::Behind { shard, next, table: table.name().into(), committed });
            }
        }
        let key_limits = KeyLimits::default();
        let shard =
            Self { shard, wal, streams, tables, rejected, segment_tables, disk, dir, clock, forward, key_limits };
        Ok((shard, found))
    }

    /// Number of the shard.
    pub fn id(&self) -> ShardId {
        self.shard
    }

    /// Limits the keys of requests that are remembered from now on.
    pub fn limit_keys(&mut self, limits: KeyLimits) {
        self.key_limits = limits;
    }

    /// LSN that the next record gets.
    pub fn next_lsn(&self) -> Lsn {
        self.wal.next_lsn()
    }

    /// State of the streams.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Begins an epoch durably, so that earlier ones stay fenced after a crash too. Returns the last durable number of
    /// the stream, or the later epoch that fences this one.
    ///
    /// # Errors
    /// The fence cannot be written to the WAL.
    pub fn open_stream(
        &mut self,
        producer: ProducerId,
        epoch: Epoch,
        stream: StreamKey,
    ) -> Result<Result<BatchNumber, Epoch>, ShardError> {
        let current = self.streams.epoch(producer);
        if epoch < current {
            return Ok(Err(current));
        }
        // The first epoch fences none. Any other does, even where nothing of an earlier one is known: it may be in
        // flight.
        if epoch > current && epoch > Epoch(1) {
            let fence = FenceHeader { producer: producer.0, epoch: epoch.0 };
            self.append_header(&RecordHeader { fence: Some(fence), ..Default::default() })?;
        }
        self.streams.begin_epoch(producer, epoch);
        Ok(Ok(self.streams.last(producer, epoch, stream)))
    }

    /// Makes a group of batches durable with one sync, then publishes their rows. Returns the outcome of each, in
    /// order.
    ///
    /// # Errors
    /// After [`WalError::NoSpace`](zonelake_wal::WalError::NoSpace) and
    /// [`WalError::GroupTooLarge`](zonelake_wal::WalError::GroupTooLarge) no sequence number has advanced and a later
    /// call may succeed. After any other error the WAL takes nothing more: only a restart, which replays it, tells what
    /// is durable.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Vec<Outcome>, ShardError> {
        self.roll_for(HEADER_BYTES_MAX + entries.iter().map(Entry::log_bytes).sum::<u64>())?;
        let ingested_at_us = self.forward.stamp(self.clock.as_ref());
        // Checked next to the state, which changes only once the group is durable: a group that finds no disk space has
        // changed nothing, and its batches are the next ones when they come again.
        let mut group = GroupSequences::default();
        let outcomes: Vec<Outcome> = entries.iter().map(|entry| self.classify(&mut group, entry)).collect();
        let stored = entries.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Stored);
        let stored: Vec<&Entry> = stored.map(|(entry, _)| entry).collect();
        if !stored.is_empty() {
            self.write(&stored, None, ingested_at_us)?;
            // Durable now, so the state may say so.
            group.apply(&mut self.streams);
        }
        Ok(outcomes)
    }

    /// Makes the batches of a request durable with one sync, all or none, unless a request of its key is stored
    /// already; then publishes their rows.
    ///
    /// # Errors
    /// As [`Shard::append`].
    pub fn append_request(&mut self, request: &RequestKey, entries: &[Entry]) -> Result<Outcome, ShardError> {
        let ingested_at_us = self.forward.stamp(self.clock.as_ref());
        match self.streams.keys.classify(request, &self.key_limits, ingested_at_us) {
            KeyCheck::New => {}
            KeyCheck::Repeated => return Ok(Outcome::Repeated),
            KeyCheck::OtherContent => return Ok(Outcome::Refused(SequenceCheck::OtherContent)),
        }
        self.roll_for(2 * HEADER_BYTES_MAX + entries.iter().map(Entry::log_bytes).sum::<u64>())?;
        let key = KeyHeader::new(request.key, request.digest, ingested_at_us);
        let keys = GatewayKeysHeader { gateway: request.gateway.0, keys: vec![key] };
        let header = encode_header(&RecordHeader { request: Some(keys), ..Default::default() });
        self.write(&entries.iter().collect::<Vec<_>>(), Some(&header), ingested_at_us)?;
        // Batches and key are one block of the WAL: after a crash both are there or neither.
        self.streams.keys.remember(request, &self.key_limits, ingested_at_us);
        Ok(Outcome::Stored)
    }

    /// Writes batches as one group, with `last` as one more record behind them, and publishes their rows.
    fn write(&mut self, entries: &[&Entry], last: Option<&[u8]>, ingested_at_us: i64) -> Result<(), ShardError> {
        // The first record of a segment is the state of all streams, so that segments before it can be released.
        let streams_header = self.wal.current_segment().is_empty().then(|| self.streams_record());
        let header = |entry| encode_header(&batch_header(entry, &self.rejected.registered, ingested_at_us));
        let headers: Vec<(Vec<u8>, &Entry)> = entries.iter().map(|entry| (header(entry), *entry)).collect();
        let parts: Vec<Vec<&[u8]>> = streams_header
            .iter()
            .map(|header| vec![header.as_slice()])
            .chain(headers.iter().map(|(header, entry)| {
                let rows = [&entry.stored, &entry.rejected].into_iter().flatten();
                std::iter::once(header.as_slice()).chain(rows.flat_map(|rows| rows.encoded.parts())).collect()
            }))
            .chain(last.map(|header| vec![header]))
            .collect();
        let records: Vec<&[&[u8]]> = parts.iter().map(Vec::as_slice).collect();
        let first = self.wal.append(&records)?;
        let first = Lsn(first.0 + u64::from(streams_header.is_some()));
        self.publish(entries.iter().copied(), first, ingested_at_us)
    }

    /// Releases the segments whose rows are all in files.
    ///
    /// # Errors
    /// A segment cannot be recycled or deleted.
    pub fn release(&mut self) -> Result<(), ShardError> {
        let current = self.wal.current_segment();
        if current.is_empty() {
            // The current segment has no state of the streams yet, so the one before it is still needed for it.
            return Ok(());
        }
        let done = self
            .wal
            .segments()
            .map(|segment| segment.id)
            .take_while(|&id| id != current.id && self.is_committed(id))
            .last();
        if let Some(id) = done {
            self.wal.release_through(id)?;
            self.segment_tables = self.segment_tables.split_off(&SegmentId(id.0 + 1));
        }
        Ok(())
    }

    /// Free bytes of the disk that the WAL is on.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn free_bytes(&self) -> std::io::Result<u64> {
        self.disk.free_bytes(&self.dir)
    }

    /// Bytes of the WAL on disk.
    pub fn log_bytes(&self) -> u64 {
        self.wal.segments().map(|segment| segment.bytes).sum()
    }

    /// Tables that keep the oldest segment from being released.
    pub fn tables_that_hold_the_wal(&self) -> Vec<Arc<Table>> {
        let Some((_, tables)) = self.segment_tables.first_key_value() else { return Vec::new() };
        tables
            .iter()
            .filter_map(|(id, &last)| Some((self.tables.get(id)?, last)))
            .filter(|(table, last)| table.committed(self.shard) < *last)
            .map(|(table, _)| Arc::clone(table))
            .collect()
    }

    /// Writes the state of all streams, with which a new generation of WALs begins.
    pub(crate) fn write_streams(&mut self, streams: Streams) -> Result<(), ShardError> {
        assert!(self.wal.current_segment().is_empty(), "a new WAL begins with the state of its streams");
        self.streams = streams;
        let record = self.streams_record();
        self.wal.append(&[&[&record]])?;
        Ok(())
    }

    fn classify(&self, group: &mut GroupSequences, entry: &Entry) -> Outcome {
        let Some(sequenced) = &entry.sequenced else { return Outcome::Stored };
        match group.classify(&self.streams, sequenced) {
            SequenceCheck::Next => Outcome::Stored,
            SequenceCheck::Repeated => Outcome::Repeated,
            refused => Outcome::Refused(refused),
        }
    }

    fn publish<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
        first: Lsn,
        ingested_at_us: i64,
    ) -> Result<(), ShardError> {
        let segment = self.wal.current_segment().id;
        let in_segment = self.segment_tables.entry(segment).or_default();
        let mut chunks: BTreeMap<TableId, (Arc<Table>, Vec<Chunk>)> = BTreeMap::new();
        for (index, entry) in entries.enumerate() {
            let lsn = Lsn(first.0 + index as u64);
            let rejected = entry.rejected.as_ref().map(|rows| (&self.rejected, rows));
            for (table, rows) in entry.stored.as_ref().map(|rows| (&entry.table, rows)).into_iter().chain(rejected) {
                let id = table.registered.id;
                in_segment.insert(id, lsn);
                let live = live_rows(&table.registered, &rows.rows, ingested_at_us)?;
                let (_, of_table) = chunks.entry(id).or_insert_with(|| (Arc::clone(table), Vec::new()));
                of_table.push(Chunk::new(live, self.shard, lsn));
            }
        }
        let now = self.clock.monotonic();
        for (table, chunks) in chunks.into_values() {
            table.publish(chunks, now)?;
        }
        Ok(())
    }

    fn append_header(&mut self, header: &RecordHeader) -> Result<(), ShardError> {
        let header = encode_header(header);
        self.roll_for(header.len() as u64 + HEADER_BYTES_MAX)?;
        let streams = self.wal.current_segment().is_empty().then(|| self.streams_record());
        match &streams {
            Some(streams) => self.wal.append(&[&[streams], &[&header]])?,
            None => self.wal.append(&[&[&header]])?,
        };
        Ok(())
    }

    fn roll_for(&mut self, bytes: u64) -> Result<(), ShardError> {
        if self.wal.must_roll(bytes) {
            self.wal.roll()?;
            self.streams.forget_idle_digests();
        }
        Ok(())
    }

    fn streams_record(&self) -> Vec<u8> {
        let streams = self.streams.header(self.forward.last_us(), |_| true);
        encode_header(&RecordHeader { streams: Some(streams), ..Default::default() })
    }

    fn is_committed(&self, segment: SegmentId) -> bool {
        self.segment_tables.get(&segment).is_none_or(|tables| {
            tables
                .iter()
                .all(|(id, &last)| self.tables.get(id).is_some_and(|table| table.committed(self.shard) >= last))
        })
    }
}
