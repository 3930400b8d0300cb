//! One shard: the single writer of its log. It judges numbers, makes a group of batches durable with one sync, and
//! shows their rows to queries. It has no thread and no queue of its own: `zonelake-ingest` drives it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::error::ArrowError;
use zonelake_registry::RegisteredTable;
use zonelake_schemas::clock::{Clock, ForwardClock};
use zonelake_schemas::columns::log;
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::reject::REJECTED;
use zonelake_schemas::{
    BatchNumber, Epoch, GatewayId, Lane, Lsn, ProducerId, SchemaVersion, ShardId, StreamKey, TableId,
};
use zonelake_wal::{Disk, ReplayedRecord, SegmentId, TornTail, Wal, WalError, WalOptions};

use crate::keys::{KeyLimits, KeyVerdict, RequestKey};
use crate::live::Chunk;
use crate::record::{
    BatchHead, EncodedRows, FenceHead, GatewayKeysHead, KeyHead, RecordError, RecordHead, decode_head, decode_rows,
    encode_head,
};
use crate::streams::{Advances, Numbered, Streams, Verdict};
use crate::table::Table;

/// Rows on their way into the log: in the log schema, and encoded for the record already, which the senders' tasks do
/// in parallel.
#[derive(Debug)]
pub struct Rows {
    rows: RecordBatch,
    encoded: EncodedRows,
}

impl Rows {
    /// Encodes rows in the log schema of their table.
    pub fn new(rows: RecordBatch) -> Result<Self, ArrowError> {
        Ok(Self { encoded: EncodedRows::new(&rows)?, rows })
    }
}

/// One batch for the log.
#[derive(Debug)]
pub struct Entry {
    /// Its place in its stream; absent where batches are not numbered (HTTP).
    pub numbered: Option<Numbered>,
    /// Who sent it.
    pub gateway: GatewayId,
    /// On which lane.
    pub lane: Lane,
    /// Table that it is for.
    pub table: Arc<Table>,
    /// Rows for that table.
    pub stored: Option<Rows>,
    /// Rows for the table `rejected`.
    pub rejected: Option<Rows>,
}

impl Entry {
    /// Bytes that it takes in the log, within some hundred.
    pub fn log_bytes(&self) -> u64 {
        let rows = [&self.stored, &self.rejected].into_iter().flatten();
        HEAD_BYTES_MAX + rows.map(|rows| rows.encoded.bytes() + 2 * rows.encoded.fields() as u64).sum::<u64>()
    }

    /// Memory that it takes within some hundred bytes: its rows, and what is encoded of them.
    pub fn memory_bytes(&self) -> u64 {
        2 * self.log_bytes()
    }
}

/// Most bytes of one batch in the log. A block takes 128 MiB at most; what is left of it has room for the state of all
/// streams at the head of a segment.
pub const BATCH_LOG_BYTES_MAX: u64 = 96 << 20;

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It survives power loss and the next query sees it.
    Stored,
    /// It was stored before.
    Repeated,
    /// It is not stored, for this reason; never [`Verdict::Next`] or [`Verdict::Repeated`].
    Refused(Verdict),
}

/// Why a shard cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The log cannot be read or written.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// A record's checksum holds, and yet it makes no sense.
    #[error("log of shard {shard}, segment {segment:?}, LSN {lsn}: {source}")]
    Record {
        /// Shard.
        shard: ShardId,
        /// Segment.
        segment: SegmentId,
        /// Record.
        lsn: Lsn,
        /// Why.
        source: RecordError,
    },
    /// A record speaks of a table that the registry does not have.
    #[error(
        "log of shard {shard}, LSN {lsn}: rows of table number {table}, version {version}, which the registry does not have; restore registry.sqlite from the same backup as the log"
    )]
    UnknownTable {
        /// Shard.
        shard: ShardId,
        /// Record.
        lsn: Lsn,
        /// Table.
        table: TableId,
        /// Version of it.
        version: SchemaVersion,
    },
    /// The log ends before what files have of it already: segments are missing.
    #[error(
        "log of shard {shard}: it ends before LSN {next}, and table {table} has files up to LSN {committed}; segments are missing. Restore the folder wal from the same backup as tables"
    )]
    Behind {
        /// Shard.
        shard: ShardId,
        /// LSN that the next record would get.
        next: Lsn,
        /// Table.
        table: String,
        /// Last LSN of it in files.
        committed: Lsn,
    },
    /// Rows could not be put into the form that queries read.
    #[error("live rows: {0}")]
    Live(#[from] ArrowError),
}

impl ShardError {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Wal(error) => error.kind(),
            Self::Record { .. } | Self::UnknownTable { .. } | Self::Behind { .. } => ErrorKind::Corrupt,
            Self::Live(_) => ErrorKind::Bug,
        }
    }
}

/// What a shard is made of.
pub struct ShardArgs {
    /// Its number.
    pub shard: ShardId,
    /// Folder of its log.
    pub dir: PathBuf,
    /// Size of a segment.
    pub segment_bytes: u64,
    /// First LSN where the log is empty.
    pub start_lsn: Lsn,
    /// Disk below the log.
    pub disk: Arc<dyn Disk>,
    /// Tables by number.
    pub tables: Arc<HashMap<TableId, Arc<Table>>>,
    /// The table of what was rejected, which is one of them.
    pub rejected: Arc<Table>,
    /// Clock for deadlines and `ingested_at`.
    pub clock: Arc<dyn Clock>,
    /// The latest `ingested_at` of all shards.
    pub forward: Arc<ForwardClock>,
}

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records read.
    pub records: u64,
    /// Rows that were not in files yet, and are live again.
    pub rows: u64,
    /// A torn tail that was dropped: never acknowledged.
    pub torn: Option<TornTail>,
}

/// The writer of one shard.
#[derive(Debug)]
pub struct Shard {
    shard: ShardId,
    wal: Wal,
    streams: Streams,
    tables: Arc<HashMap<TableId, Arc<Table>>>,
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
    /// Opens the log and replays what is not in files yet.
    pub fn open(args: ShardArgs) -> Result<(Self, Replayed), ShardError> {
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

    /// Its number.
    pub fn id(&self) -> ShardId {
        self.shard
    }

    /// How long keys of requests are remembered from now on.
    pub fn limit_keys(&mut self, limits: KeyLimits) {
        self.key_limits = limits;
    }

    /// LSN that the next record gets.
    pub fn next_lsn(&self) -> Lsn {
        self.wal.next_lsn()
    }

    /// State of its streams.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Begins an epoch durably, so that earlier ones stay fenced after a crash too. Returns the last durable number of
    /// the stream, or the later epoch that fences this one.
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
        // The first epoch fences none. Any other does, even where nothing of an earlier one is known: it may be on its way.
        if epoch > current && epoch > Epoch(1) {
            let fence = FenceHead { producer: producer.0, epoch: epoch.0 };
            self.append_head(&RecordHead { fence: Some(fence), ..Default::default() })?;
        }
        self.streams.begin_epoch(producer, epoch);
        Ok(Ok(self.streams.last(producer, epoch, stream)))
    }

    /// Makes a group of batches durable with one sync, then shows their rows. Returns what became of each, in order.
    ///
    /// After [`WalError::NoSpace`] and [`WalError::GroupTooLarge`] no number has advanced and a later call may succeed;
    /// after any other error the log is not to be trusted with more: only a restart, which replays it, tells what is
    /// durable.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Vec<Outcome>, ShardError> {
        self.roll_for(HEAD_BYTES_MAX + entries.iter().map(Entry::log_bytes).sum::<u64>())?;
        let ingested_at_us = self.forward.stamp(self.clock.as_ref());
        let mut advances = Advances::default();
        let outcomes: Vec<Outcome> = entries.iter().map(|entry| self.judge(&mut advances, entry)).collect();
        let stored = entries.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Stored);
        let stored: Vec<&Entry> = stored.map(|(entry, _)| entry).collect();
        if !stored.is_empty() {
            self.write(&stored, None, ingested_at_us)?;
            advances.apply(&mut self.streams);
        }
        Ok(outcomes)
    }

    /// Makes the batches of a request durable with one sync, all or none, unless a request of its key is stored already;
    /// then shows their rows. Errors are those of [`Shard::append`].
    pub fn append_request(&mut self, request: &RequestKey, entries: &[Entry]) -> Result<Outcome, ShardError> {
        let ingested_at_us = self.forward.stamp(self.clock.as_ref());
        match self.streams.keys.judge(request, &self.key_limits, ingested_at_us) {
            KeyVerdict::New => {}
            KeyVerdict::Repeated => return Ok(Outcome::Repeated),
            KeyVerdict::OtherContent => return Ok(Outcome::Refused(Verdict::OtherContent)),
        }
        self.roll_for(2 * HEAD_BYTES_MAX + entries.iter().map(Entry::log_bytes).sum::<u64>())?;
        let key = KeyHead::new(request.key, request.digest, ingested_at_us);
        let head = GatewayKeysHead { gateway: request.gateway.0, keys: vec![key] };
        let head = encode_head(&RecordHead { request: Some(head), ..Default::default() });
        self.write(&entries.iter().collect::<Vec<_>>(), Some(&head), ingested_at_us)?;
        self.streams.keys.remember(request, &self.key_limits, ingested_at_us);
        Ok(Outcome::Stored)
    }

    /// Writes batches as one group, `last` as one record more behind them, and shows their rows.
    fn write(&mut self, entries: &[&Entry], last: Option<&[u8]>, ingested_at_us: i64) -> Result<(), ShardError> {
        let streams_head = self.wal.current_segment().is_empty().then(|| self.streams_record());
        let head = |entry| encode_head(&batch_head(entry, &self.rejected.registered, ingested_at_us));
        let heads: Vec<(Vec<u8>, &Entry)> = entries.iter().map(|entry| (head(entry), *entry)).collect();
        let parts: Vec<Vec<&[u8]>> = streams_head
            .iter()
            .map(|head| vec![head.as_slice()])
            .chain(heads.iter().map(|(head, entry)| {
                let rows = [&entry.stored, &entry.rejected].into_iter().flatten();
                std::iter::once(head.as_slice()).chain(rows.flat_map(|rows| rows.encoded.parts())).collect()
            }))
            .chain(last.map(|head| vec![head]))
            .collect();
        let records: Vec<&[&[u8]]> = parts.iter().map(Vec::as_slice).collect();
        let first = self.wal.append(&records)?;
        let first = Lsn(first.0 + u64::from(streams_head.is_some()));
        self.publish(entries.iter().copied(), first, ingested_at_us)
    }

    /// Lets go of the segments whose rows are all in files.
    pub fn release(&mut self) -> Result<(), ShardError> {
        let current = self.wal.current_segment();
        if current.is_empty() {
            // It has no state of the streams yet, so that the segment before it still has to tell.
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

    /// Free bytes of the disk that its log is on.
    pub fn free_bytes(&self) -> std::io::Result<u64> {
        self.disk.free_bytes(&self.dir)
    }

    /// Bytes of its log on disk.
    pub fn log_bytes(&self) -> u64 {
        self.wal.segments().map(|segment| segment.bytes).sum()
    }

    /// The tables that keep the oldest segment from going.
    pub fn tables_that_hold_the_log(&self) -> Vec<Arc<Table>> {
        let Some((_, tables)) = self.segment_tables.first_key_value() else { return Vec::new() };
        tables
            .iter()
            .filter_map(|(id, &last)| Some((self.tables.get(id)?, last)))
            .filter(|(table, last)| table.committed(self.shard) < *last)
            .map(|(table, _)| Arc::clone(table))
            .collect()
    }

    /// Writes the state of all its streams: how a new set of shards begins.
    pub(crate) fn write_streams(&mut self, streams: Streams) -> Result<(), ShardError> {
        assert!(self.wal.current_segment().is_empty(), "a new log begins with the state of its streams");
        self.streams = streams;
        let record = self.streams_record();
        self.wal.append(&[&[&record]])?;
        Ok(())
    }

    fn judge(&self, advances: &mut Advances, entry: &Entry) -> Outcome {
        let Some(numbered) = &entry.numbered else { return Outcome::Stored };
        match advances.judge(&self.streams, numbered) {
            Verdict::Next => Outcome::Stored,
            Verdict::Repeated => Outcome::Repeated,
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

    fn append_head(&mut self, head: &RecordHead) -> Result<(), ShardError> {
        let head = encode_head(head);
        self.roll_for(head.len() as u64 + HEAD_BYTES_MAX)?;
        let streams = self.wal.current_segment().is_empty().then(|| self.streams_record());
        match &streams {
            Some(streams) => self.wal.append(&[&[streams], &[&head]])?,
            None => self.wal.append(&[&[&head]])?,
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
        let streams = self.streams.head(self.forward.last_us(), |_| true);
        encode_head(&RecordHead { streams: Some(streams), ..Default::default() })
    }

    fn is_committed(&self, segment: SegmentId) -> bool {
        self.segment_tables.get(&segment).is_none_or(|tables| {
            tables
                .iter()
                .all(|(id, &last)| self.tables.get(id).is_some_and(|table| table.committed(self.shard) >= last))
        })
    }
}

struct Replay<'a> {
    shard: ShardId,
    tables: &'a HashMap<TableId, Arc<Table>>,
    forward: &'a ForwardClock,
    streams: Streams,
    segment_tables: BTreeMap<SegmentId, HashMap<TableId, Lsn>>,
    found: Replayed,
    now: std::time::Duration,
}

impl Replay<'_> {
    fn handle_record(&mut self, record: &ReplayedRecord<'_>) -> Result<(), ShardError> {
        let (shard, segment, lsn) = (self.shard, record.segment, record.lsn);
        let unreadable = |source| ShardError::Record { shard, segment, lsn, source };
        let (head, rest) = decode_head(record.payload).map_err(unreadable)?;
        self.found.records += 1;
        if let Some(streams) = &head.streams {
            self.streams.restore(streams);
            self.forward.at_least(streams.ingested_at_us);
        }
        if let Some(fence) = &head.fence {
            self.streams.begin_epoch(ProducerId(fence.producer), Epoch(fence.epoch));
        }
        for key in head.request.iter().flat_map(|request| &request.keys) {
            let gateway = GatewayId(head.request.as_ref().map_or(0, |request| request.gateway));
            self.streams.keys.replay(&RequestKey { gateway, key: key.key(), digest: key.digest }, key.at_us);
        }
        if let Some(batch) = &head.batch {
            self.handle_batch(record, batch, rest)?;
        }
        Ok(())
    }

    fn handle_batch(
        &mut self,
        record: &ReplayedRecord<'_>,
        batch: &BatchHead,
        mut rest: &[u8],
    ) -> Result<(), ShardError> {
        let (shard, segment, lsn) = (self.shard, record.segment, record.lsn);
        let unreadable = |source| ShardError::Record { shard, segment, lsn, source };
        self.forward.at_least(batch.ingested_at_us);
        if let Some(numbered) = numbered(batch)
            && self.streams.judge(&numbered) == Verdict::Next
        {
            self.streams.advance(&numbered);
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

/// Rows as queries read them: with `ingested_at`, which is the same for a whole batch. In the table `rejected`, `time`
/// is the time of receipt too.
fn live_rows(table: &RegisteredTable, rows: &RecordBatch, ingested_at_us: i64) -> Result<RecordBatch, ArrowError> {
    let stamps = TimestampMicrosecondArray::from_value(ingested_at_us, rows.num_rows()).with_timezone("UTC");
    let ingested_at: ArrayRef = Arc::new(stamps);
    let time = if table.def.name == REJECTED { &ingested_at } else { rows.column(log::TIME) };
    let mut columns = Vec::with_capacity(rows.num_columns() + 1);
    columns.push(Arc::clone(time));
    columns.push(Arc::clone(&ingested_at));
    columns.extend(rows.columns()[log::DEVICE_KEY..].iter().cloned());
    RecordBatch::try_new(Arc::clone(&table.schemas.live), columns)
}

fn batch_head(entry: &Entry, rejected: &RegisteredTable, ingested_at_us: i64) -> RecordHead {
    let numbered = entry.numbered.as_ref();
    let batch = BatchHead {
        producer: numbered.map_or(0, |batch| batch.producer.0),
        epoch: numbered.map_or(0, |batch| batch.epoch.0),
        table: entry.table.registered.id.0,
        lane: entry.lane as u32,
        number: numbered.map_or(0, |batch| batch.number.0),
        digest: numbered.map_or(0, |batch| batch.digest),
        ingested_at_us,
        gateway: entry.gateway.0,
        stored: entry
            .stored
            .as_ref()
            .map(|rows| rows.encoded.head(entry.table.registered.id, entry.table.registered.version)),
        rejected: entry.rejected.as_ref().map(|rows| rows.encoded.head(rejected.id, rejected.version)),
    };
    RecordHead { batch: Some(batch), ..Default::default() }
}

fn numbered(batch: &BatchHead) -> Option<Numbered> {
    if batch.producer == 0 {
        return None;
    }
    Some(Numbered {
        producer: ProducerId(batch.producer),
        epoch: Epoch(batch.epoch),
        stream: StreamKey { table: TableId(batch.table), lane: Lane::from_number(batch.lane)? },
        number: BatchNumber(batch.number),
        digest: batch.digest,
    })
}

/// Upper bound of the head of a batch's record, its length and padding included.
const HEAD_BYTES_MAX: u64 = 512;
