//! The server: the real decoders, shard writers, logs, live rows and flush, driven step by step in place of their
//! threads and tasks.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use prost::Message;
use zonelake_ingest::{
    ArrowDecoder, BatchContext, DecodeLimits, LineDecoder, PendingBatch, Precision, Refusal, Reply, SessionId,
    ShardWriter, StreamEvent, split_decoded,
};
use zonelake_schemas::clock::Clock;
use zonelake_schemas::wire::control::{Ack, Encoding, Open, Opened, Refused};
use zonelake_schemas::wire::frame::{FrameHeader, FrameKind, HEADER_BYTES, control_frame, split_batch};
use zonelake_schemas::{BatchNumber, Epoch, Lane, Principal, ProducerId, StreamKey};
use zonelake_storage::{
    CompactionOptions, DeletionOrder, Entry, MergeControl, Selection, SequencedBatch, Shard, Store, Table, shard_for,
};

use crate::bug::Bug;
use crate::harness::{DEVICES, Harness};
use crate::oracle::Broken;
use crate::rng::SimClock;

pub(crate) struct Server {
    pub store: Arc<Store>,
    pub writers: Vec<ShardWriter>,
    pub queues: Vec<VecDeque<Command>>,
    pub sessions: BTreeMap<usize, Session>,
    pub work: Option<Work>,
    bug: Option<Bug>,
    next_session: u64,
}

/// What is under way beside the shards, one at a time.
pub(crate) struct Work {
    pub kind: WorkKind,
    /// What it comes to, in words.
    pub run: Pin<Box<dyn Future<Output = Result<String, String>>>>,
    /// Something was made to fail in it.
    pub is_hurt: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WorkKind {
    Flush,
    /// Hidden rows taken out, files merged, and those that are in no version deleted.
    Tidy,
    /// The rows of one device of a table deleted.
    Delete {
        table: String,
        device: usize,
    },
}

pub(crate) enum Command {
    Open { link: usize },
    Append(Box<PendingBatch>),
    Committed,
}

/// One stream of batches at the server.
pub(crate) struct Session {
    received: Vec<u8>,
    stage: Stage,
    events: mpsc::UnboundedSender<StreamEvent>,
    outcomes: mpsc::UnboundedReceiver<StreamEvent>,
    last: BatchNumber,
}

enum Stage {
    New,
    Asked(Box<Opening>),
    Open(Box<OpenSession>),
    Ended,
}

struct Opening {
    producer_name: String,
    producer: ProducerId,
    epoch: Epoch,
    lane: Lane,
    table: Arc<Table>,
    decoder: Decoder,
}

struct OpenSession {
    id: SessionId,
    of: Opening,
}

enum Decoder {
    Arrow(ArrowDecoder),
    Line(LineDecoder),
}

/// An epoch that has begun, or was opened again.
pub(crate) struct Began {
    pub producer: String,
    pub epoch: u64,
}

impl Server {
    pub(crate) fn new(store: Arc<Store>, shards: Vec<Shard>, harness: &Harness, bug: Option<Bug>) -> Self {
        let writer = |shard| ShardWriter::new(Arc::clone(&store), shard, u64::MAX, Arc::clone(&harness.metrics));
        let writers: Vec<ShardWriter> = shards.into_iter().map(writer).collect();
        let queues = writers.iter().map(|_| VecDeque::new()).collect();
        Self { store, writers, queues, sessions: BTreeMap::new(), work: None, bug, next_session: 1 }
    }

    pub(crate) fn handle_link(&mut self, link: usize) {
        let (events, outcomes) = mpsc::unbounded();
        let session = Session { received: Vec::new(), stage: Stage::New, events, outcomes, last: BatchNumber(0) };
        self.sessions.insert(link, session);
    }

    /// Takes bytes that have come up a link. Returns what is to go down at once, which is nothing without a planted
    /// bug.
    pub(crate) fn handle_bytes(
        &mut self,
        link: usize,
        bytes: &[u8],
        harness: &Harness,
        now: &SimClock,
    ) -> Result<Vec<u8>, Broken> {
        let mut at_once = Vec::new();
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(at_once) };
        session.received.extend_from_slice(bytes);
        loop {
            let session = self.sessions.get_mut(&link).expect("it is there");
            if matches!(session.stage, Stage::Asked(_) | Stage::Ended) {
                break;
            }
            let Some(header) = session.received.first_chunk::<HEADER_BYTES>() else { break };
            let header = FrameHeader::decode(*header, 1 << 20).map_err(|error| error.to_string())?;
            if session.received.len() < HEADER_BYTES + header.body_bytes {
                break;
            }
            let frame: Vec<u8> = session.received.drain(..HEADER_BYTES + header.body_bytes).collect();
            let body = Bytes::from(frame).slice(HEADER_BYTES..);
            self.handle_frame(link, header.kind, body, harness, now, &mut at_once)?;
        }
        Ok(at_once)
    }

    fn handle_frame(
        &mut self,
        link: usize,
        kind: FrameKind,
        body: Bytes,
        harness: &Harness,
        now: &SimClock,
        at_once: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let shards = u16::try_from(self.writers.len()).expect("few");
        let session = self.sessions.get_mut(&link).expect("it is there");
        match (&mut session.stage, kind) {
            (Stage::New, FrameKind::Open) => {
                let opening = opening(&self.store, harness, &Open::decode(body).map_err(|error| error.to_string())?)?;
                let shard = usize::from(shard_for(opening.producer, shards).0);
                session.stage = Stage::Asked(Box::new(opening));
                self.queues[shard].push_back(Command::Open { link });
            }
            (Stage::Open(open), FrameKind::Schema | FrameKind::Dictionary) => {
                let Decoder::Arrow(decoder) = &mut open.of.decoder else { return Err("a schema among lines".into()) };
                let taken = match kind {
                    FrameKind::Schema => decoder.handle_schema(&body),
                    _ => decoder.handle_dictionary(body),
                };
                taken.map_err(|refusal| format!("a good message is refused: {refusal}"))?;
            }
            (Stage::Open(open), FrameKind::Batch) => {
                let shard = usize::from(shard_for(open.of.producer, shards).0);
                let (number, pending) = pending(&self.store, harness, now, open, &session.events, body, self.bug)?;
                if self.bug == Some(Bug::AcknowledgedEarly) {
                    at_once.extend(control_frame(FrameKind::Ack, &Ack { number: number.0, ..Ack::default() }));
                }
                self.queues[shard].push_back(Command::Append(Box::new(pending)));
            }
            (_, other) => return Err(format!("a frame {other:?} at the wrong time")),
        }
        Ok(())
    }

    /// One turn of the thread of a shard, with at most so many commands. Returns the epochs that were opened,
    /// and frames that answer.
    pub(crate) fn run_shard(&mut self, shard: usize, commands_max: usize) -> (Vec<Began>, Vec<(usize, Vec<u8>)>) {
        let (mut began, mut answers) = (Vec::new(), Vec::new());
        let mut group = Vec::new();
        for _ in 0..commands_max {
            let Some(command) = self.queues[shard].pop_front() else { break };
            match command {
                Command::Append(pending) => group.push(*pending),
                Command::Committed => {
                    self.writers[shard].commit(&mut group);
                    self.writers[shard].release();
                }
                Command::Open { link } => {
                    self.writers[shard].commit(&mut group);
                    if let Some((frame, opened)) = self.open(shard, link) {
                        began.extend(opened);
                        answers.push((link, frame));
                    }
                }
            }
        }
        self.writers[shard].commit(&mut group);
        (began, answers)
    }

    fn open(&mut self, shard: usize, link: usize) -> Option<(Vec<u8>, Option<Began>)> {
        let session = self.sessions.get_mut(&link)?;
        let Stage::Asked(opening) = std::mem::replace(&mut session.stage, Stage::Ended) else { return None };
        let id = SessionId(self.next_session);
        self.next_session += 1;
        let stream = StreamKey { table: opening.table.registered.id, lane: opening.lane };
        match self.writers[shard].open(opening.producer, opening.epoch, stream, id) {
            Ok(last) => {
                session.last = last;
                let began = Began { producer: opening.producer_name.clone(), epoch: opening.epoch.0 };
                session.stage = Stage::Open(Box::new(OpenSession { id, of: *opening }));
                let opened = Opened {
                    last_number: last.0,
                    frame_bytes_max: 1 << 20,
                    batch_rows_max: 100,
                    unacked_bytes_max: 1 << 20,
                    ..Opened::default()
                };
                Some((control_frame(FrameKind::Opened, &opened), Some(began)))
            }
            Err(refusal) => Some((refused(&refusal, BatchNumber(0)), None)),
        }
    }

    /// Puts what a session's batches have come to into frames, as the session's writer does.
    pub(crate) fn answer(&mut self, link: usize, events_max: usize) -> Vec<u8> {
        let mut frames = Vec::new();
        let Some(session) = self.sessions.get_mut(&link) else { return frames };
        let mut ack = Ack::default();
        let mut refusal = None;
        for _ in 0..events_max {
            let Ok(StreamEvent::Done(summary, result, _)) = session.outcomes.try_recv() else { break };
            match result {
                Ok(_) => {
                    session.last = session.last.max(summary.number);
                    ack.number = session.last.0;
                }
                Err(found) => {
                    refusal = Some((found, summary.number));
                    break;
                }
            }
        }
        if ack.number > 0 && self.bug != Some(Bug::AcknowledgedEarly) {
            frames.extend(control_frame(FrameKind::Ack, &ack));
        }
        if let Some((refusal, number)) = refusal {
            frames.extend(refused(&refusal, number));
            self.sessions.remove(&link);
        }
        frames
    }

    pub(crate) fn start_flush(&mut self, table: &str) {
        let (store, table) = (Arc::clone(&self.store), Arc::clone(&self.store.tables()[table]));
        self.start(WorkKind::Flush, async move {
            let flushed = store.flush(&table).await.map_err(|error| error.to_string())?;
            Ok(format!("{} rows", flushed.rows))
        });
    }

    pub(crate) fn start_tidy(&mut self, table: &str) {
        let (store, table) = (Arc::clone(&self.store), Arc::clone(&self.store.tables()[table]));
        self.start(WorkKind::Tidy, async move {
            let options =
                CompactionOptions { files_max: 2, keep_removed: Duration::ZERO, ..CompactionOptions::default() };
            let (skipped, is_stopping) = (HashSet::new(), Arc::default());
            let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
            let erased = store.erase_hidden(&table, &options, &is_stopping).await;
            let erased = erased.map_err(|error| error.to_string())?.map_or(0, |erased| erased.rows);
            let merged = store.compact(&table, control).await.map_err(|error| error.to_string())?;
            let deleted = store.delete_retired(&table, &options).await;
            store.confirm_erased().await.map_err(|error| error.to_string())?;
            Ok(format!("{erased} rows, {} files, {deleted} gone", merged.map_or(0, |merged| merged.files)))
        });
    }

    pub(crate) fn start_delete(&mut self, table: &str, device: usize) {
        let store = Arc::clone(&self.store);
        let selection = Selection { device: Some(DEVICES[device].into()), ..Selection::default() };
        let order = DeletionOrder { table: table.into(), selection, who: "sim".into(), why: "sim".into() };
        let kind = WorkKind::Delete { table: table.into(), device };
        self.start(kind, async move {
            let deletion = store.delete_rows(order).await.map_err(|error| error.to_string())?;
            Ok(format!("{} rows", deletion.rows))
        });
    }

    fn start(&mut self, kind: WorkKind, run: impl Future<Output = Result<String, String>> + 'static) {
        self.work = Some(Work { kind, run: Box::pin(run), is_hurt: false });
    }

    /// Tells all shards that rows have gone into files.
    pub(crate) fn committed(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.push_back(Command::Committed));
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.writers.iter().any(|writer| writer.failed().is_some())
    }
}

fn opening(store: &Store, harness: &Harness, open: &Open) -> Result<Opening, Broken> {
    let table = store.tables().get(&open.table).cloned().ok_or("no such table")?;
    let decoder = match open.encoding() {
        Encoding::Arrow => Decoder::Arrow(ArrowDecoder::new(&table.registered, DecodeLimits::default())),
        _ => Decoder::Line(LineDecoder::new(&table.registered, Precision::Nanoseconds)),
    };
    let producer = harness.registry.producer(harness.gateway.id, &open.producer).map_err(|error| error.to_string())?;
    let lane = Lane::from_number(open.lane).ok_or("no such lane")?;
    Ok(Opening { producer_name: open.producer.clone(), producer, epoch: Epoch(open.epoch), lane, table, decoder })
}

fn pending(
    store: &Store,
    harness: &Harness,
    now: &SimClock,
    open: &mut OpenSession,
    events: &mpsc::UnboundedSender<StreamEvent>,
    body: Bytes,
    bug: Option<Bug>,
) -> Result<(BatchNumber, PendingBatch), Broken> {
    let (number, payload) = split_batch(&body).map_err(|error| error.to_string())?;
    let payload = body.slice_ref(payload);
    // Clocks are set while batches are on their way: what was made under one is not refused under another.
    let limits = DecodeLimits { future_us_max: i64::MAX / 4, ..DecodeLimits::default() };
    let of = &mut open.of;
    let context = BatchContext {
        registry: &harness.registry,
        gateway: &harness.gateway,
        producer: &of.producer_name,
        epoch: of.epoch,
        number: Some(number),
        lane: of.lane,
        now_us: now.wall_us(),
        table: &of.table.registered,
        rejected: &store.rejected().registered,
        limits: &limits,
    };
    let (digest, decoded) = match &mut of.decoder {
        Decoder::Arrow(decoder) => (decoder.digest(&payload), decoder.decode(payload, &context)),
        Decoder::Line(decoder) => (decoder.digest(&payload), decoder.decode(&payload, &context)),
    };
    let decoded = decoded.map_err(|refusal| format!("a good batch is refused: {refusal}"))?;
    let (summary, stored, rejected) = split_decoded(number, decoded).map_err(|refusal| refusal.to_string())?;
    let stream = StreamKey { table: of.table.registered.id, lane: of.lane };
    let sequenced = SequencedBatch { producer: of.producer, epoch: of.epoch, stream, number, digest };
    let entry = Entry {
        sequenced: (bug != Some(Bug::NumbersIgnored)).then_some(sequenced),
        principal: Principal::Gateway(harness.gateway.id),
        lane: of.lane,
        table: Arc::clone(&of.table),
        stored,
        rejected,
    };
    let reply = Reply::Stream(events.clone(), Box::new(summary), Vec::new());
    Ok((number, PendingBatch { entry, session: Some(open.id), check_only: false, memory: None, reply }))
}

fn refused(refusal: &Refusal, number: BatchNumber) -> Vec<u8> {
    let refused =
        Refused { code: refusal.code as i32, message: refusal.message.clone(), number: number.0, ..Refused::default() };
    control_frame(FrameKind::Refused, &refused)
}
