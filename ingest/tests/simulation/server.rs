//! The server: the real decoders, shard writers, logs, live rows and flush, driven step by step in place of their
//! threads and tasks.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

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
use zonelake_schemas::{BatchNumber, Epoch, Lane, ProducerId, StreamKey};
use zonelake_storage::{Entry, FlushError, Flushed, SequencedBatch, Shard, Store, Table, shard_for};

use crate::bug::Bug;
use crate::harness::Harness;
use crate::oracle::Broken;
use crate::rng::SimClock;

pub(crate) struct Server {
    pub store: Arc<Store>,
    pub writers: Vec<ShardWriter>,
    pub queues: Vec<VecDeque<Command>>,
    pub sessions: BTreeMap<usize, Session>,
    pub flush: Option<FlushRun>,
    bug: Option<Bug>,
    next_session: u64,
}

/// A flush under way.
pub(crate) struct FlushRun {
    pub work: Pin<Box<dyn Future<Output = Result<Flushed, FlushError>>>>,
    /// Something was made to fail in it.
    pub is_hurt: bool,
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
        Self { store, writers, queues, sessions: BTreeMap::new(), flush: None, bug, next_session: 1 }
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
            let Ok(StreamEvent::Done(summary, result)) = session.outcomes.try_recv() else { break };
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
        let work = Box::pin(async move { store.flush(&table).await });
        self.flush = Some(FlushRun { work, is_hurt: false });
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
    let limits = DecodeLimits::default();
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
        gateway: harness.gateway.id,
        lane: of.lane,
        table: Arc::clone(&of.table),
        stored,
        rejected,
    };
    let reply = Reply::Stream(events.clone(), Box::new(summary));
    Ok((number, PendingBatch { entry, session: Some(open.id), permits: None, reply }))
}

fn refused(refusal: &Refusal, number: BatchNumber) -> Vec<u8> {
    let refused =
        Refused { code: refusal.code as i32, message: refusal.message.clone(), number: number.0, ..Refused::default() };
    control_frame(FrameKind::Refused, &refused)
}
