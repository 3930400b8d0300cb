//! One stream of batches: opening, reading, decoding, and the acknowledgements back. The reader and the writer are a
//! task each; the shard's thread stands between them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::Schema;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use futures::channel::mpsc;
use prost::Message;
use quinn::{ReadExactError, RecvStream, SendStream};
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use zonelake_registry::{Gateway, RegisteredTable, RegistryError};
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::reject::REJECTED;
use zonelake_schemas::wire::MINOR_VERSION;
use zonelake_schemas::wire::control::{Ack, Encoding, Open, Opened, Refused, RefusedCode};
use zonelake_schemas::wire::frame::{
    CONTROL_BYTES_MAX, FrameHeader, FrameKind, HEADER_BYTES, control_frame, split_batch,
};
use zonelake_schemas::{BatchNumber, Epoch, Lane, ProducerId, StreamKey};
use zonelake_storage::{Entry, Outcome, Rows, SequencedBatch, Table};

use crate::credentials::gateway_of;
use crate::decode::arrow::ArrowDecoder;
use crate::decode::{Decoded, Source};
use crate::limits::DecodeLimits;
use crate::line::{LineDecoder, Precision};
use crate::peer::Peer;
use crate::pipeline::{BatchSummary, Pending, Pipeline, Reply, SessionId, StreamEvent};
use crate::refusal::Refusal;
use crate::shares::GatewayShares;

/// Limits of a stream.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Limits of frames and batches.
    pub decode: DecodeLimits,
    /// Greatest length of a frame.
    pub frame_bytes_max: usize,
    /// Bytes of one connection's batches that may wait for their acknowledgement.
    pub unacked_bytes_max: usize,
    /// Time for a frame to arrive whole once it has begun, and for `Open` to arrive at all.
    pub frame_timeout: Duration,
}

/// What all streams share.
#[derive(Debug)]
pub struct Sessions {
    /// Where batches go.
    pub pipeline: Arc<Pipeline>,
    /// Limits.
    pub options: SessionOptions,
    /// What each gateway may hold of the bytes in flight.
    pub shares: GatewayShares,
    /// Becomes true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// One stream that is open.
struct Session {
    shared: Arc<Sessions>,
    gateway: Arc<Gateway>,
    producer_name: String,
    producer: ProducerId,
    epoch: Epoch,
    lane: Lane,
    table: Arc<Table>,
    id: SessionId,
    decoder: Decoder,
    /// The connection's share of what may wait for acknowledgement.
    unacked: Arc<Semaphore>,
    events: mpsc::UnboundedSender<StreamEvent>,
    submitted: u64,
}

enum Decoder {
    Arrow(ArrowDecoder),
    Line(LineDecoder),
}

impl Sessions {
    /// Serves one stream from `Open` to its end.
    pub async fn serve(self: Arc<Self>, mut send: SendStream, mut receive: RecvStream, peer: Arc<Peer>) {
        // Each step is boxed: a stream, of which there are thousands, has room for the one that it is at, not for all of them.
        let opened = match Box::pin(self.handle_open(&mut receive)).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return,
            Err(refusal) => return self.refuse(&mut send, &refusal, BatchNumber(0), BatchNumber(0)).await,
        };
        let (open, gateway, table) = opened;
        peer.handle_known();
        let (events, outcomes) = mpsc::unbounded();
        let opening = self.open_session(open, gateway, table, Arc::clone(peer.unacked()), events);
        let session = match Box::pin(opening).await {
            Ok(session) => session,
            Err(refusal) => return self.refuse(&mut send, &refusal, BatchNumber(0), BatchNumber(0)).await,
        };
        let (session, last) = session;
        let (producer, stream, id) = (session.producer, session.stream(), session.id);
        self.exchange(session, last, send, receive, outcomes).await;
        self.pipeline.close_stream(producer, stream, id).await;
    }

    /// Batches up and acknowledgements down, until either side ends.
    async fn exchange(
        self: &Arc<Self>,
        session: Session,
        last: BatchNumber,
        mut send: SendStream,
        receive: RecvStream,
        outcomes: mpsc::UnboundedReceiver<StreamEvent>,
    ) {
        let opened = self.opened(&session.table.registered, last);
        if send.write_all(&control_frame(FrameKind::Opened, &opened)).await.is_err() {
            return;
        }
        // The reader ends when the writer has refused, since nothing more would be stored.
        let (writer_ended, ended) = watch::channel(false);
        let writer = Writer { shared: Arc::clone(self), send, last, done: 0, end: None };
        let writing = tokio::spawn(async move {
            writer.run(outcomes).await;
            // The reader may have ended first.
            let _ = writer_ended.send(true);
        });
        Box::pin(session.read(receive, ended)).await;
        if writing.await.is_err() {
            tracing::error!("a stream's writer has panicked");
        }
    }

    async fn handle_open(&self, receive: &mut RecvStream) -> Result<Option<(Open, Arc<Gateway>, Arc<Table>)>, Refusal> {
        let wait = self.options.frame_timeout;
        let Ok(frame) = tokio::time::timeout(wait, read_frame(receive, CONTROL_BYTES_MAX)).await else {
            return Err(Refusal::new(RefusedCode::Protocol, format!("no Open frame within {wait:?}")));
        };
        let Some((kind, body)) = frame? else { return Ok(None) };
        if kind != FrameKind::Open {
            return Err(Refusal::new(
                RefusedCode::Protocol,
                format!("the first frame of a stream is Open, not {kind:?}"),
            ));
        }
        let open = Open::decode(body)
            .map_err(|error| Refusal::new(RefusedCode::Protocol, format!("Open cannot be read: {error}")))?;
        let registry = self.pipeline.store().registry();
        let gateway = gateway_of(registry, &open.token).await.ok_or_else(|| {
            Refusal::new(RefusedCode::Token, "the token is unknown or revoked; `zonelake gateway add` makes one")
        })?;
        let table = self.pipeline.store().tables().get(&open.table).filter(|table| table.name() != REJECTED);
        let table = table.ok_or_else(|| {
            let names = self.pipeline.store().tables().keys().map(String::as_str);
            let names: Vec<&str> = names.filter(|name| *name != REJECTED).collect();
            Refusal::new(
                RefusedCode::UnknownTable,
                format!("there is no table {:?} to write to; there are {}", open.table, names.join(", ")),
            )
        })?;
        Ok(Some((open, gateway, Arc::clone(table))))
    }

    async fn open_session(
        self: &Arc<Self>,
        open: Open,
        gateway: Arc<Gateway>,
        table: Arc<Table>,
        unacked: Arc<Semaphore>,
        events: mpsc::UnboundedSender<StreamEvent>,
    ) -> Result<(Session, BatchNumber), Refusal> {
        let protocol = |what: String| Refusal::new(RefusedCode::Protocol, what);
        if !zonelake_registry::device_name_is_valid(&open.producer) {
            return Err(protocol("producer: 1 to 128 bytes of UTF-8 without control characters".into()));
        }
        if open.epoch == 0 {
            return Err(protocol("epoch: 1 or more".into()));
        }
        let lane = Lane::from_number(open.lane)
            .ok_or_else(|| protocol(format!("lane: 1 (live) or 2 (back-fill), not {}", open.lane)))?;
        let decoder = match open.encoding() {
            Encoding::Arrow => Decoder::Arrow(ArrowDecoder::new(&table.registered, self.options.decode.clone())),
            Encoding::Line => Decoder::Line(LineDecoder::new(&table.registered, Precision::Nanoseconds)),
            Encoding::Unstated => {
                return Err(protocol(format!("encoding: 1 (Arrow) or 2 (line), not {}", open.encoding)));
            }
        };
        let registry = Arc::clone(self.pipeline.store().registry());
        let (id, name) = (gateway.id, open.producer.clone());
        let producer = tokio::task::spawn_blocking(move || registry.producer(id, &name)).await;
        let producer = producer.map_err(|error| internal(&error))?.map_err(|error| not_registered(&error))?;
        let epoch = Epoch(open.epoch);
        let stream = StreamKey { table: table.registered.id, lane };
        let (session, last) = self.pipeline.open_stream(producer, epoch, stream).await?;
        tracing::info!(gateway = gateway.name, producer = open.producer, %epoch, table = table.name(), ?lane, software = open.software, last = %last, "stream opened");
        let session = Session {
            shared: Arc::clone(self),
            gateway,
            producer_name: open.producer,
            producer,
            epoch,
            lane,
            table,
            id: session,
            decoder,
            unacked,
            events,
            submitted: 0,
        };
        Ok((session, last))
    }

    fn opened(&self, table: &RegisteredTable, last: BatchNumber) -> Opened {
        Opened {
            minor_version: MINOR_VERSION,
            last_number: last.0,
            frame_bytes_max: self.options.frame_bytes_max as u64,
            batch_rows_max: self.options.decode.rows_max(&table.def) as u64,
            schema_version: table.version.0,
            schema: schema_message(&table.schemas.wire),
            server_time_us: self.pipeline.store().clock().wall_us(),
            unacked_bytes_max: self.options.unacked_bytes_max as u64,
        }
    }

    async fn refuse(&self, send: &mut SendStream, refusal: &Refusal, number: BatchNumber, last: BatchNumber) {
        self.pipeline.metrics().refusals.inc();
        tracing::info!(code = ?refusal.code, number = %number, "refused: {refusal}");
        let refused = Refused {
            code: refusal.code as i32,
            message: refusal.message.clone(),
            number: number.0,
            last_number: last.0,
            retry_after_ms: retry_after_ms(refusal.code),
        };
        // A gateway that is gone cannot be told.
        let _ = send.write_all(&control_frame(FrameKind::Refused, &refused)).await;
        let _ = send.finish();
    }
}

impl Session {
    fn stream(&self) -> StreamKey {
        StreamKey { table: self.table.registered.id, lane: self.lane }
    }

    async fn read(mut self, mut receive: RecvStream, mut ended: watch::Receiver<bool>) {
        let mut stopping = self.shared.stopping.clone();
        // Made once: all streams wait for the same, and to begin that wait anew with each frame would be a lock for all.
        let mut ended = pin!(ended.wait_for(|ended| *ended));
        let mut stopping = pin!(stopping.wait_for(|stopping| *stopping));
        let result = loop {
            tokio::select! {
                biased;
                _ = &mut ended => break Ok(()),
                _ = &mut stopping => {
                    let refusal = Refusal::new(RefusedCode::ShuttingDown, "the server is stopping; what was not acknowledged is to be sent again");
                    break Err((refusal, BatchNumber(0)));
                }
                step = self.handle_frame(&mut receive) => match step {
                    Ok(true) => {}
                    Ok(false) => break Ok(()),
                    Err(refused) => break Err(refused),
                },
            }
        };
        let submitted = self.submitted;
        let event = match result {
            Ok(()) => StreamEvent::Finished { submitted },
            Err((refusal, number)) => StreamEvent::Refused { refusal, number, submitted },
        };
        // The writer may have ended first.
        let _ = self.events.unbounded_send(event);
        drop(self.events);
        // What is still coming is of no use; the code says that the reason stands in the other direction.
        let _ = receive.stop(quinn::VarInt::from_u32(0));
    }

    /// Reads and handles one frame; false at the end of the stream.
    async fn handle_frame(&mut self, receive: &mut RecvStream) -> Result<bool, (Refusal, BatchNumber)> {
        let none = |refusal| (refusal, BatchNumber(0));
        let wait = self.shared.options.frame_timeout;
        let header = read_header(receive, self.shared.options.frame_bytes_max, wait).await.map_err(none)?;
        let Some(header) = header else { return Ok(false) };
        // In this order, each step waits only for what is held by steps behind it, and the last of them for nothing.
        self.shared.pipeline.table_has_room(&self.table).await;
        let share = header.body_bytes.clamp(1, self.shared.options.unacked_bytes_max);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let unacked = Arc::clone(&self.unacked).acquire_many_owned(share).await.expect("it is never closed");
        let of_gateway = self.shared.shares.reserve(self.gateway.id, header.body_bytes).await;
        let permit = self.shared.pipeline.reserve_frame(header.body_bytes).await;
        // From here on: until now it was the server that let the sender wait.
        let body = tokio::time::timeout(wait, read_body(receive, header.body_bytes)).await;
        let body = body.map_err(|_| none(too_slow(wait)))?.map_err(none)?;
        match (header.kind, &mut self.decoder) {
            (FrameKind::Schema, Decoder::Arrow(decoder)) => decoder.handle_schema(&body).map_err(none)?,
            (FrameKind::Dictionary, Decoder::Arrow(decoder)) => {
                let _place = self.shared.pipeline.decoder().await;
                decoder.handle_dictionary(body).map_err(none)?;
            }
            (FrameKind::Batch, _) => {
                let arrived = self.shared.pipeline.store().clock().monotonic();
                self.handle_batch(&body, arrived, permit, vec![of_gateway, unacked]).await?;
            }
            (kind, _) => {
                return Err(none(Refusal::new(
                    RefusedCode::Protocol,
                    format!("a frame {kind:?} does not belong here"),
                )));
            }
        }
        Ok(true)
    }

    async fn handle_batch(
        &mut self,
        body: &Bytes,
        arrived: Duration,
        frame: OwnedSemaphorePermit,
        mut permits: Vec<OwnedSemaphorePermit>,
    ) -> Result<(), (Refusal, BatchNumber)> {
        let (number, payload) = split_batch(body)
            .map_err(|error| (Refusal::new(RefusedCode::Protocol, error.to_string()), BatchNumber(0)))?;
        let payload = body.slice_ref(payload);
        if self.shared.pipeline.store().registry().gateway(self.gateway.id).is_none() {
            return Err((Refusal::new(RefusedCode::Token, "the token was revoked"), number));
        }
        self.shared.pipeline.space().check().map_err(|refusal| (refusal, number))?;
        let shared = Arc::clone(&self.shared);
        let decoder = shared.pipeline.decoder().await;
        let (digest, decoded) = self.decode(number, payload).map_err(|refusal| (refusal, number))?;
        let (summary, stored, rejected) = split_decoded(number, decoded).map_err(|refusal| (refusal, number))?;
        let entry = Entry {
            sequenced: Some(SequencedBatch {
                producer: self.producer,
                epoch: self.epoch,
                stream: self.stream(),
                number,
                digest,
            }),
            gateway: self.gateway.id,
            lane: self.lane,
            table: Arc::clone(&self.table),
            stored,
            rejected,
        };
        let batch = shared.pipeline.reserve_batch(&entry).await.map_err(|refusal| (refusal, number))?;
        drop((decoder, frame));
        let reply = Reply::Stream(self.events.clone(), Box::new(BatchSummary { arrived, ..summary }));
        permits.push(batch);
        let pending = Pending { entry, session: Some(self.id), permits: Some(permits), reply };
        shared.pipeline.submit(pending).await.map_err(|refusal| (refusal, number))?;
        // Behind the wait, which may be cut off: only what the shard has is waited for at the end.
        self.submitted += 1;
        Ok(())
    }

    fn decode(&mut self, number: BatchNumber, payload: Bytes) -> Result<(u64, Decoded), Refusal> {
        let store = self.shared.pipeline.store();
        let source = Source {
            registry: store.registry(),
            gateway: &self.gateway,
            producer: &self.producer_name,
            epoch: self.epoch,
            number: Some(number),
            lane: self.lane,
            now_us: store.clock().wall_us(),
            table: &self.table.registered,
            rejected: &store.rejected().registered,
            limits: &self.shared.options.decode,
        };
        match &mut self.decoder {
            Decoder::Arrow(decoder) => Ok((decoder.digest(&payload), decoder.decode(payload, &source)?)),
            Decoder::Line(decoder) => Ok((decoder.digest(&payload), decoder.decode(&payload, &source)?)),
        }
    }
}

/// Splits what was decoded into the words of its acknowledgement and the rows for the log.
pub fn split_decoded(
    number: BatchNumber,
    decoded: Decoded,
) -> Result<(BatchSummary, Option<Rows>, Option<Rows>), Refusal> {
    let rows =
        |rows: Option<arrow::array::RecordBatch>| rows.map(Rows::new).transpose().map_err(|error| internal(&error));
    let mut rejections = decoded.rejections;
    rejections.iter_mut().for_each(|rejection| rejection.number = number.0);
    let summary = BatchSummary {
        number,
        arrived: Duration::ZERO,
        rows: decoded.rows,
        readings: decoded.readings,
        rejected_rows: decoded.rejected_rows,
        rejected_readings: decoded.rejected_readings,
        rejections,
    };
    Ok((summary, rows(decoded.stored)?, rows(decoded.rejected)?))
}

struct Writer {
    shared: Arc<Sessions>,
    send: SendStream,
    last: BatchNumber,
    /// Batches whose fate is known.
    done: u64,
    end: Option<End>,
}

/// How the stream is to end once all that was submitted is done with.
struct End {
    submitted: u64,
    refusal: Option<(Refusal, BatchNumber)>,
}

impl Writer {
    async fn run(mut self, mut events: mpsc::UnboundedReceiver<StreamEvent>) {
        while let Some(first) = events.next().await {
            let more = std::iter::from_fn(|| events.try_recv().ok());
            let received = std::iter::once(first).chain(more).take(EVENTS_AT_ONCE);
            let mut ack = Ack::default();
            let mut refused = None;
            let now = self.shared.pipeline.store().clock().monotonic();
            for event in received {
                match event {
                    StreamEvent::Done(summary, result) => {
                        self.done += 1;
                        match result {
                            Ok(outcome) => self.add(&mut ack, *summary, outcome, now),
                            Err(refusal) => refused = refused.or(Some((refusal, summary.number))),
                        }
                    }
                    StreamEvent::Refused { refusal, number, submitted } => {
                        self.end = Some(End { submitted, refusal: Some((refusal, number)) })
                    }
                    StreamEvent::Finished { submitted } => self.end = Some(End { submitted, refusal: None }),
                }
            }
            if ack.number > 0 && self.send.write_all(&control_frame(FrameKind::Ack, &ack)).await.is_err() {
                return;
            }
            if let Some((refusal, number)) = refused {
                return self.shared.refuse(&mut self.send, &refusal, number, self.last).await;
            }
            if let Some(end) = self.end.take_if(|end| end.submitted == self.done) {
                match end.refusal {
                    Some((refusal, number)) => self.shared.refuse(&mut self.send, &refusal, number, self.last).await,
                    // A gateway that is gone already needs no end.
                    None => drop(self.send.finish()),
                }
                return;
            }
        }
    }

    fn add(&mut self, ack: &mut Ack, summary: BatchSummary, outcome: Outcome, now: Duration) {
        let metrics = self.shared.pipeline.metrics();
        metrics.ack_seconds.observe(now.saturating_sub(summary.arrived).as_secs_f64());
        self.last = self.last.max(summary.number);
        ack.number = self.last.0;
        if outcome == Outcome::Repeated {
            ack.repeated_batches += 1;
            metrics.repeated_batches.inc();
            return;
        }
        metrics.count_stored(&summary);
        ack.rows += summary.rows;
        ack.readings += summary.readings;
        ack.rejected_rows += summary.rejected_rows;
        ack.rejected_readings += summary.rejected_readings;
        let room = REJECTIONS_MAX.saturating_sub(ack.rejections.len());
        ack.rejections.extend(summary.rejections.into_iter().take(room));
    }
}

/// Reads a whole frame; the caller says how long that may take.
async fn read_frame(receive: &mut RecvStream, bytes_max: usize) -> Result<Option<(FrameKind, Bytes)>, Refusal> {
    let Some(header) = read_header(receive, bytes_max, Duration::MAX).await? else { return Ok(None) };
    Ok(Some((header.kind, read_body(receive, header.body_bytes).await?)))
}

/// Reads a frame's header; `None` at the end of the stream between two frames. Once it has begun, it is to arrive within
/// `wait`.
async fn read_header(
    receive: &mut RecvStream,
    bytes_max: usize,
    wait: Duration,
) -> Result<Option<FrameHeader>, Refusal> {
    let mut bytes = [0; HEADER_BYTES];
    let begun = match receive.read(&mut bytes).await {
        Ok(Some(begun)) => begun,
        // The end; or the connection is lost, or the gateway has reset the stream: there is no one to tell.
        Ok(None) | Err(_) => return Ok(None),
    };
    let rest = tokio::time::timeout(wait, receive.read_exact(&mut bytes[begun..])).await;
    match rest.map_err(|_| too_slow(wait))? {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(_)) => return Err(truncated()),
        Err(ReadExactError::ReadError(_)) => return Ok(None),
    }
    FrameHeader::decode(bytes, bytes_max).map(Some).map_err(|error| {
        let code = match error {
            zonelake_schemas::wire::frame::FrameError::TooLong { .. } => RefusedCode::TooLarge,
            _ => RefusedCode::Protocol,
        };
        Refusal::new(code, error.to_string())
    })
}

async fn read_body(receive: &mut RecvStream, bytes: usize) -> Result<Bytes, Refusal> {
    let mut body = BytesMut::with_capacity(bytes);
    while body.len() < bytes {
        let rest = bytes - body.len();
        let read = receive.read_buf(&mut (&mut body).limit(rest)).await;
        if !read.is_ok_and(|read| read > 0) {
            return Err(truncated());
        }
    }
    Ok(body.freeze())
}

/// One encapsulated Arrow IPC schema message.
fn schema_message(schema: &Schema) -> Bytes {
    let options = IpcWriteOptions::default();
    let mut dictionaries = DictionaryTracker::new(false);
    let data = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut dictionaries, &options);
    let mut message = Vec::new();
    write_message(&mut message, data, &options).expect("a Vec grows as needed");
    message.into()
}

fn too_slow(wait: Duration) -> Refusal {
    Refusal::new(RefusedCode::Protocol, format!("a frame did not arrive whole within {wait:?}"))
}

fn truncated() -> Refusal {
    Refusal::new(RefusedCode::Protocol, "the stream ended in the middle of a frame; nothing of that frame is stored")
}

fn internal(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!("a fault in the server: {error}");
    Refusal::new(RefusedCode::Internal, "a fault in the server; its log says more")
}

fn not_registered(error: &RegistryError) -> Refusal {
    let code = match (error, error.kind()) {
        (RegistryError::Limit { .. }, _) => RefusedCode::Limit,
        // Its gateway was removed since its token was looked at.
        (RegistryError::Unknown { .. }, _) => RefusedCode::Token,
        (_, ErrorKind::Retry) => RefusedCode::Unavailable,
        _ => RefusedCode::Internal,
    };
    Refusal::new(code, format!("the producer cannot be registered: {error}"))
}

fn retry_after_ms(code: RefusedCode) -> u32 {
    match code {
        RefusedCode::Unavailable => 5_000,
        RefusedCode::Limit | RefusedCode::ShuttingDown | RefusedCode::Internal => 1_000,
        RefusedCode::Gap => 1,
        _ => 0,
    }
}

/// Events that the writer takes at once; they become one acknowledgement.
const EVENTS_AT_ONCE: usize = 256;
/// Rejections that one acknowledgement names.
const REJECTIONS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_producers_are_a_limit_and_a_busy_registry_is_a_reason_to_come_again() {
        let limit = RegistryError::Limit { what: "producers", name: "g".into(), limit: 7 };
        let refusal = not_registered(&limit);
        assert_eq!(refusal.code, RefusedCode::Limit);
        assert!(refusal.message.contains("limit of 7"), "{refusal}");
        let busy = RegistryError::Open { path: "r".into(), source: std::io::Error::other("busy") };
        assert_eq!(not_registered(&busy).code, RefusedCode::Unavailable);
        let damaged = RegistryError::Damaged { path: "r".into(), what: "a table".into() };
        assert_eq!(not_registered(&damaged).code, RefusedCode::Internal);
    }
}
