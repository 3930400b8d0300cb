//! One shard: the single writer of its WAL. It checks sequence numbers, makes a group of batches durable with one sync,
//! and publishes their rows to queries. It has no thread and no queue of its own: `zonelake-ingest` drives it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use prost::Message;
use zonelake_registry::Registry;
use zonelake_schemas::clock::{Clock, ForwardClock};
use zonelake_schemas::{
    BatchNumber, Epoch, GroupClock, GroupSequence, Lsn, ProducerId, ShardId, ShardNumber, StreamKey, TableId,
};
use zonelake_wal::{Checkpoint, Disk, ReplayedRecord, SegmentContext, SegmentId, Wal, WalOptions};

use crate::shard::asides::Asides;
use crate::shard::entry::{Entry, GroupStamp, HEADER_BYTES_MAX, Outcome, batch_header};
use crate::shard::error::ShardError;
use crate::shard::record::header::{FenceHeader, KeyHeader, KeysHeader, RecordHeader, StreamsHeader, encode_header};
use crate::shard::record::kind::RECORD_VERSION;
use crate::shard::replay::{Replay, Replayed};
use crate::shard::request_keys::{GroupKeys, KeyCheck, KeyLimits, RequestKey};
use crate::shard::sequence_check::{GroupSequences, SequenceCheck, Streams};
use crate::shard::stamped_rows::live_rows;
use crate::table::chunks::Chunk;
use crate::table::moments::Moments;
use crate::table::table::Table;

/// Inputs of [`Shard::open`].
pub(crate) struct ShardArgs {
    /// The shard within its node.
    pub shard: ShardId,
    /// Number of the shard over all nodes.
    pub shard_number: ShardNumber,
    /// Folder of the WAL.
    pub dir: PathBuf,
    /// Size of a segment.
    pub segment_bytes: u64,
    /// Length of the WAL beyond which segments are released whatever a checkpoint costs.
    pub log_bytes_max: u64,
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
    /// Source of group sequences of all shards.
    pub group_clock: Arc<GroupClock>,
    /// Moments at which statements look at all tables.
    pub moments: Arc<Moments>,
    /// The registry, whose ids the records have.
    pub registry: Arc<Registry>,
}

/// What became of a group, each in the order in which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOutcomes {
    /// Of the batches.
    pub batches: Vec<Outcome>,
    /// Of the requests.
    pub requests: Vec<Outcome>,
}

/// The writer of one shard.
#[derive(Debug)]
pub struct Shard {
    pub(super) shard: ShardId,
    shard_number: ShardNumber,
    pub(super) wal: Wal,
    pub(super) streams: Streams,
    pub(super) tables: Arc<BTreeMap<TableId, Arc<Table>>>,
    rejected: Arc<Table>,
    /// Last LSN of each table in each segment: a segment goes when all of them are in files.
    pub(super) segment_tables: BTreeMap<SegmentId, HashMap<TableId, Lsn>>,
    /// What is set aside of earlier segments.
    pub(super) asides: Asides,
    /// The last record that the checkpoint covers, and the length of its state in bytes.
    pub(super) covered: Lsn,
    pub(super) checkpoint_bytes: u64,
    pub(super) log_bytes_max: u64,
    disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    clock: Arc<dyn Clock>,
    pub(super) forward: Arc<ForwardClock>,
    pub(super) group_clock: Arc<GroupClock>,
    moments: Arc<Moments>,
    registry: Arc<Registry>,
    key_limits: KeyLimits,
}

impl Shard {
    /// Reads the checkpoint, then the WAL, and replays what is not in files yet.
    pub(crate) fn open(args: ShardArgs) -> Result<(Self, Replayed), ShardError> {
        let ShardArgs { shard, shard_number, ref dir, segment_bytes, start_lsn, ref disk, .. } = args;
        let marks = args.registry.marks();
        let context = SegmentContext { record_version: RECORD_VERSION, shard_number, marks };
        let Restored { streams, asides, covered, checkpoint_bytes } = Restored::read(&args, &context)?;
        let mut replay = Replay {
            shard,
            shard_number,
            tables: &args.tables,
            marks,
            forward: &args.forward,
            group_clock: &args.group_clock,
            streams,
            covered,
            segment_tables: BTreeMap::new(),
            asides: Asides::default(),
            found: Replayed::default(),
            now: args.clock.monotonic(),
        };
        replay.read_asides(disk.as_ref(), dir, &context, &asides)?;
        let options = WalOptions { start_lsn, segment_bytes, context, ..WalOptions::new(dir, shard) };
        let (mut wal, summary) =
            Wal::open(Arc::clone(disk), options, &mut |record: ReplayedRecord<'_>| replay.handle_record(&record))?;
        let Replay { streams, segment_tables, asides, mut found, .. } = replay;
        wal.keep_asides(&|id| asides.contains(id))?;
        found.torn = summary.torn;
        check_segments(&wal, covered, &args)?;
        args.tables.values().for_each(|table| table.check_last_rows(shard, wal.next_lsn()));
        let ShardArgs {
            dir,
            disk,
            tables,
            rejected,
            clock,
            forward,
            group_clock,
            registry,
            log_bytes_max,
            moments,
            ..
        } = args;
        let shard = Self {
            shard,
            shard_number,
            wal,
            streams,
            tables,
            rejected,
            segment_tables,
            asides,
            covered,
            checkpoint_bytes,
            log_bytes_max,
            disk,
            dir,
            clock,
            forward,
            group_clock,
            moments,
            registry,
            key_limits: KeyLimits::default(),
        };
        Ok((shard, found))
    }

    /// Leaves a segment of an earlier format behind, so that from now on records are written as this release does, and
    /// an earlier release knows that it must not read them.
    pub(crate) fn leave_earlier_format(&mut self) -> Result<(), ShardError> {
        if self.wal.current_segment().is_of_earlier_format() {
            self.wal.roll()?;
        }
        Ok(())
    }

    /// The shard within its node.
    pub fn id(&self) -> ShardId {
        self.shard
    }

    /// Limits the keys of requests that are remembered from now on.
    pub fn limit_keys(&mut self, limits: KeyLimits) {
        self.key_limits = limits;
    }

    /// Number of the shard over all nodes.
    pub fn number(&self) -> ShardNumber {
        self.shard_number
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
        Ok(self.append_group(entries, &[])?.batches)
    }

    /// Makes a group of batches and of requests durable with one sync; of each request all batches or none, unless a
    /// request of its key is stored already, or stands before it in the group. Then publishes their rows.
    ///
    /// # Errors
    /// As [`Shard::append`].
    pub fn append_group(
        &mut self,
        entries: &[Entry],
        requests: &[(RequestKey, &[Entry])],
    ) -> Result<GroupOutcomes, ShardError> {
        let of_requests = requests.iter().map(|(_, entries)| HEADER_BYTES_MAX + log_bytes(entries)).sum::<u64>();
        self.roll_for(HEADER_BYTES_MAX + log_bytes(entries) + of_requests)?;
        let ingested_at_us = self.stamp();
        // Checked next to the state, which changes only once the group is durable: a group that finds no disk space has
        // changed nothing, and its batches are the next ones when they come again.
        let mut group = GroupSequences::default();
        let batches: Vec<Outcome> = entries.iter().map(|entry| self.classify(&mut group, entry)).collect();
        let mut keys = GroupKeys::default();
        let checks = requests.iter().map(|(request, _)| {
            match keys.classify(&self.streams.keys, request, &self.key_limits, ingested_at_us) {
                KeyCheck::New => Outcome::Stored,
                KeyCheck::Repeated => Outcome::Repeated,
                KeyCheck::OtherContent => Outcome::Refused(SequenceCheck::OtherContent),
            }
        });
        let outcomes = GroupOutcomes { requests: checks.collect(), batches };
        let stored = entries.iter().zip(&outcomes.batches).filter(|(_, outcome)| **outcome == Outcome::Stored);
        let of_requests = requests.iter().zip(&outcomes.requests).filter(|(_, outcome)| **outcome == Outcome::Stored);
        let of_requests = of_requests.flat_map(|((_, entries), _)| entries.iter());
        let stored: Vec<&Entry> = stored.map(|(entry, _)| entry).chain(of_requests).collect();
        // Batches and keys are one block of the WAL: after a crash both are there or neither.
        let headers: Vec<Vec<u8>> = keys.taken().map(|request| request_header(request, ingested_at_us)).collect();
        if !stored.is_empty() || !headers.is_empty() {
            self.write(&stored, &headers, ingested_at_us)?;
            // Durable now, so the state may say so.
            group.apply(&mut self.streams);
            keys.apply(&mut self.streams.keys, &self.key_limits, ingested_at_us);
        }
        Ok(outcomes)
    }

    /// Makes the batches of one request durable as [`Shard::append_group`] does.
    ///
    /// # Errors
    /// As [`Shard::append`].
    pub fn append_request(&mut self, request: &RequestKey, entries: &[Entry]) -> Result<Outcome, ShardError> {
        let outcomes = self.append_group(&[], &[(*request, entries)])?;
        Ok(outcomes.requests.first().copied().expect("there is one outcome for each request"))
    }

    /// Writes batches as one group, with `last` as records behind them, and publishes their rows.
    fn write(&mut self, entries: &[&Entry], last: &[Vec<u8>], ingested_at_us: i64) -> Result<(), ShardError> {
        // A group that cannot be written leaves a gap, which means nothing.
        let stamp = GroupStamp { ingested_at_us, sequence: self.group_clock.next() };
        let header = |entry| encode_header(&batch_header(entry, &self.rejected.registered, stamp));
        let headers: Vec<(Vec<u8>, &Entry)> = entries.iter().map(|entry| (header(entry), *entry)).collect();
        let parts: Vec<Vec<&[u8]>> = headers
            .iter()
            .map(|(header, entry)| {
                let rows = [&entry.stored, &entry.rejected].into_iter().flatten();
                std::iter::once(header.as_slice()).chain(rows.flat_map(|rows| rows.encoded.parts())).collect()
            })
            .chain(last.iter().map(|header| vec![header.as_slice()]))
            .collect();
        let records: Vec<&[&[u8]]> = parts.iter().map(Vec::as_slice).collect();
        let first = self.wal.append(&records)?;
        self.publish(entries.iter().copied(), first, stamp)
    }

    /// Free bytes of the disk that the WAL is on.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn free_bytes(&self) -> std::io::Result<u64> {
        self.disk.free_bytes(&self.dir)
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
        stamp: GroupStamp,
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
                let live = live_rows(&table.registered, &rows.rows, stamp.ingested_at_us)?;
                let chunk = Chunk::new(live, (self.shard, self.shard_number), lsn, stamp.sequence);
                table.note_event_times(&self.forward, chunk.time_us.1);
                let (_, of_table) = chunks.entry(id).or_insert_with(|| (Arc::clone(table), Vec::new()));
                of_table.push(chunk);
            }
        }
        let now = self.clock.monotonic();
        let _nobody_looks_in_between = self.moments.publishing();
        for (table, chunks) in chunks.into_values() {
            table.publish(chunks, now)?;
        }
        Ok(())
    }

    /// The time of receipt of what is written now.
    fn stamp(&self) -> i64 {
        let stamp = self.forward.stamp(self.clock.as_ref());
        if let Some(us) = stamp.stepped_back_us {
            tracing::error!(
                seconds = us / 1_000_000,
                "the clock has stepped back: ingested_at of rows from before is that far ahead of the clock. From now on it follows the clock; event times are not concerned"
            );
        }
        stamp.us
    }

    fn append_header(&mut self, header: &RecordHeader) -> Result<(), ShardError> {
        let header = encode_header(header);
        self.roll_for(header.len() as u64 + HEADER_BYTES_MAX)?;
        self.wal.append(&[&[&header]])?;
        Ok(())
    }

    fn roll_for(&mut self, bytes: u64) -> Result<(), ShardError> {
        if self.wal.must_roll(bytes) {
            self.wal.set_marks(self.registry.marks());
            self.wal.roll()?;
            self.streams.forget_idle_digests();
        }
        Ok(())
    }
}

/// What a checkpoint gives back.
#[derive(Default)]
struct Restored {
    streams: Streams,
    /// Segments of which records are set aside.
    asides: Vec<u64>,
    covered: Lsn,
    checkpoint_bytes: u64,
}

impl Restored {
    fn read(args: &ShardArgs, context: &SegmentContext) -> Result<Self, ShardError> {
        let (shard, dir) = (args.shard, &args.dir);
        let Some(checkpoint) = Checkpoint::adopt(args.disk.as_ref(), dir)? else { return Ok(Self::default()) };
        checkpoint.check(dir, context)?;
        let state = StreamsHeader::decode(checkpoint.state.as_slice());
        let state = state.map_err(|source| ShardError::Checkpoint { shard, source })?;
        let mut streams = Streams::default();
        streams.restore(&state);
        args.forward.at_least(state.ingested_at_us);
        args.group_clock.at_least(GroupSequence(state.sequence));
        let checkpoint_bytes = checkpoint.state.len() as u64;
        Ok(Self { streams, asides: state.asides, covered: checkpoint.lsn, checkpoint_bytes })
    }
}

/// Refuses a WAL whose segments do not join the checkpoint, end before what files have of them, or were made beside a
/// registry that had given out more than this one.
fn check_segments(wal: &Wal, covered: Lsn, args: &ShardArgs) -> Result<(), ShardError> {
    let shard = args.shard;
    let marks = args.registry.marks();
    for segment in wal.segments() {
        if let Some(unknown) = marks.first_unknown(&segment.context.marks) {
            return Err(ShardError::OlderRegistry { shard, segment: segment.id, unknown });
        }
    }
    for table in args.tables.values() {
        let (next, committed) = (wal.next_lsn(), table.committed(shard));
        if committed >= next {
            return Err(ShardError::Behind { shard, next, table: table.name().into(), committed });
        }
    }
    // A new WAL begins at its first LSN, and gets the state before that in a moment.
    match wal.missing_state(covered.max(Lsn(args.start_lsn.0 - 1))) {
        Some(damage) => Err(ShardError::State { shard, damage: Box::new(damage) }),
        None => Ok(()),
    }
}

fn log_bytes(entries: &[Entry]) -> u64 {
    entries.iter().map(Entry::log_bytes).sum()
}

/// The record of a request's key, behind its batches.
fn request_header(request: &RequestKey, ingested_at_us: i64) -> Vec<u8> {
    let key = KeyHeader::new(request.key, request.digest, ingested_at_us);
    let keys = KeysHeader::new(request.principal, vec![key]);
    encode_header(&RecordHeader { request: Some(keys), ..Default::default() })
}
